"""A connected socket that never makes its sender wait."""

from __future__ import annotations

import contextlib
import socket
import struct

from boxship.rpc import calls

READ_SIZE = 64 << 10
_NOWAIT = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_UCRED = struct.Struct("3i")
_TIMEVAL = struct.Struct("ll")


class Wire:
    """Bytes in and out of a socket. `receive` waits; `send` keeps what the socket does not take.

    One thread receives. Everything else happens under the lock of the wire's owner.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket = connection
        self.backlog = 0  # bytes which the socket has not taken
        self._left: list[bytes | memoryview] = []

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self, size: int = READ_SIZE) -> bytes:
        """Wait for bytes; none at the end of the connection. Raises OSError, BlockingIOError after `limit_wait`."""
        return self.socket.recv(size)

    def poll(self, size: int = READ_SIZE) -> bytes | None:
        """Bytes which are there; None when there are none. Raises OSError."""
        try:
            return self.socket.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def decode(self, data: bytes) -> bytes:
        """What was received, as the protocol wants it. Under the owner's lock."""
        return data

    def send(self, data: bytes) -> bool:
        """Send now what the socket takes, keep the rest. False when something is kept. Raises OSError."""
        return self._push(data)

    def flush(self) -> bool:
        """Send what was kept, as far as the socket takes it. True when nothing is kept any more. Raises OSError."""
        if not self._left:
            return True
        data, self._left = b"".join(self._left), []
        self.backlog = 0
        return self._push(data)

    def _push(self, data: bytes) -> bool:
        if self._left:
            self._left.append(data)
            self.backlog += len(data)
            return False
        try:
            sent = self.socket.send(data, _NOWAIT)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return True
        self._left.append(memoryview(data)[sent:])
        self.backlog = len(data) - sent
        return False

    def limit_wait(self, seconds: float) -> None:
        """Let `receive` raise BlockingIOError after so long; 0 for never (SO_RCVTIMEO, socket(7))."""
        whole = int(seconds)
        self.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(whole, int((seconds - whole) * 1_000_000))
        )

    def end(self) -> None:
        """Send nothing more; the peer finds the end after what it has not read yet."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def shut(self) -> None:
        """Wake whoever receives; nothing goes in or out any more."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.socket.close()

    def peer(self) -> calls.Peer | None:
        """Who is at the other end of a unix socket (SO_PEERCRED, unix(7))."""
        if self.socket.family != socket.AF_UNIX:
            return None
        raw = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, uid, gid = _UCRED.unpack(raw)
        return calls.Peer(pid=pid, uid=uid, gid=gid)


def dial(address: str, *, timeout: float | None = None) -> socket.socket:
    """Connect to "unix:///path", "/path" or "tcp://host:port". Raises OSError, ValueError for another address."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "unix", address.removeprefix("unix:")
    if scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(rest)
        except OSError:
            connection.close()
            raise
        return connection
    if scheme != "tcp":
        raise ValueError(f"address {address!r} is neither unix:// nor tcp://")
    host, _, port = rest.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=timeout)
