"""The processes that a daemon has ready: one template for shims and layers, with what a shim needs imported.

Layers need more, which takes their process 10 ms to import; a template of their own would take 10 MB for as long as one
may come.
"""

import os
import resource

from boxship.zygote import client

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENTRIES = {
    "shim": "boxship.shim.run:run",
    "shim-delete": "boxship.shim.cleaning:delete",
    "layer": "boxship.plugins.layers.entry:run",
}


_FORMER = resource.getrlimit(resource.RLIMIT_NOFILE)


def take_descriptors() -> None:
    """As many as this process may have, as Go's programs do; containers get what we were started with."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FORMER[1], _FORMER[1]))


def forks() -> client.Zygote:
    """Not started yet."""
    path = os.environ.get("PATH") or DEFAULT_PATH
    return client.Zygote(_ENTRIES, environment={"PATH": path}, descriptors=_FORMER, spare="shim")
