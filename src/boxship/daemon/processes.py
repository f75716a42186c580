"""The processes that a daemon has ready: one template for shims and layers, with what a shim needs imported.

Layers need more, which takes their process 10 ms to import; a template of their own would take 10 MB for as long as one
may come.
"""

import os

from boxship.zygote import client

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENTRIES = {
    "shim": "boxship.shim.run:run",
    "shim-delete": "boxship.shim.cleaning:delete",
    "layer": "boxship.plugins.layers.entry:run",
}


def forks() -> client.Zygote:
    """Not started yet."""
    return client.Zygote(_ENTRIES, environment={"PATH": os.environ.get("PATH") or DEFAULT_PATH}, spare="shim")
