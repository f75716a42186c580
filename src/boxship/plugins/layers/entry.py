"""Where the process of a layer begins: an entry point of the zygote that brings nothing into the template."""

from collections.abc import Mapping, Sequence
from typing import Any


def run(arguments: Mapping[str, Any], fds: Sequence[int]) -> None:
    """See `worker.run`."""
    from boxship.plugins.layers import worker  # with the codecs, in this process alone

    worker.run(arguments, fds)
