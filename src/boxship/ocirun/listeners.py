"""Seccomp notifications: who listens gets the descriptor and says yes or no to the calls (seccomp_unotify(2)).

Source: OCI runtime-spec config-linux.md "Container Process State".
"""

import json
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from boxship.linux import seccomp, sockets
from boxship.ocirun import errors


def sender(
    prepared: seccomp.Filter | None, state: Callable[[], Mapping[str, Any]], pid: Callable[[], int]
) -> Callable[[int], None]:
    """What a channel calls with the descriptor: it goes to the profile's listenerPath with the container's state."""

    def send(descriptor: int) -> None:
        try:
            if prepared is not None:
                _send(prepared, state(), pid(), descriptor)
        finally:
            os.close(descriptor)

    return send


def _send(prepared: seccomp.Filter, state: Mapping[str, Any], pid: int, descriptor: int) -> None:
    document = {
        "ociVersion": state.get("ociVersion", ""),
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": prepared.metadata,
        "state": dict(state),
    }
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as end:
            end.connect(prepared.listener)
            sockets.send(end, json.dumps(document).encode(), (descriptor,))
    except OSError as failure:
        raise errors.from_os_error(f"failed to send seccomp fd to {prepared.listener}", failure) from None
