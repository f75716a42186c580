"""Seccomp notifications: who listens gets the descriptor and says yes or no to the calls (seccomp_unotify(2)).

Source: OCI runtime-spec config-linux.md "Container Process State".
"""

import json
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from boxship.linux import sockets
from boxship.ocirun import errors


def sender(
    profile: Mapping[str, Any] | None, state: Callable[[], Mapping[str, Any]], pid: Callable[[], int]
) -> Callable[[int], None]:
    """What a channel calls with the descriptor: it goes to the profile's listenerPath with the container's state.

    `profile`: the specification's `linux.seccomp`.
    """

    def send(descriptor: int) -> None:
        try:
            if profile and profile.get("listenerPath"):
                _send(profile, state(), pid(), descriptor)
        finally:
            os.close(descriptor)

    return send


def _send(profile: Mapping[str, Any], state: Mapping[str, Any], pid: int, descriptor: int) -> None:
    document = {
        "ociVersion": state.get("ociVersion", ""),
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": profile.get("listenerMetadata", ""),
        "state": dict(state),
    }
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as end:
            end.connect(profile["listenerPath"])
            sockets.send(end, json.dumps(document).encode(), (descriptor,))
    except OSError as failure:
        raise errors.from_os_error(f"failed to send seccomp fd to {profile['listenerPath']}", failure) from None
