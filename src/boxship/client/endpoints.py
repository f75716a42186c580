"""Where a daemon is, and how a connection to it comes about."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxship.terms import errors

if TYPE_CHECKING:
    import ssl  # which takes longer to load than all of this

DEFAULT_ADDRESS = "/run/boxship/boxship.sock"


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A daemon.

    Attributes:
        address: "unix:///path", "/path" or "tcp://host:port"; for messages only when there is `dial`.
        dial: gives a connected socket, for a daemon inside this program.
        timeout: seconds to wait for a connection.
        tls: for tcp.
        let_go: called when the client is closed.
    """

    address: str = DEFAULT_ADDRESS
    dial: Callable[[], socket.socket] | None = None
    timeout: float = 10.0
    tls: "ssl.SSLContext | None" = None
    let_go: Callable[[], None] = _nothing


def refused(address: str, cause: Exception) -> errors.Error:
    """The error for a connection that did not come about."""
    if isinstance(cause, ValueError):
        return errors.InvalidArgument(f"address {address!r}: it must look like /path, unix:///path or tcp://host:port")
    if isinstance(cause, PermissionError):
        return errors.PermissionDenied(f"connect to {address}: {cause.strerror}; run this as root")
    reason = (cause.strerror if isinstance(cause, OSError) else "") or str(cause) or "it took too long"
    return errors.Unavailable(
        f"no daemon answers at {address} ({reason}): start one with `boxship daemon start`, "
        "or name another socket, such as /run/containerd/containerd.sock"
    )
