"""A server of threads: one reads and runs quick handlers, a bounded pool runs handlers that wait.

server = Server(handlers, translate=wire.errors.to_status)
server.serve(listener, protocol="grpc")
...
server.shutdown(grace=5.0)
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from boxship.rpc import exchanges, links, methods, pool, readers, running, status, timers, wires
from boxship.rpc.grpc import heads
from boxship.rpc.grpc import server as grpc
from boxship.rpc.http2 import connection as http2
from boxship.rpc.ttrpc import session as ttrpc

if TYPE_CHECKING:
    import ssl

_log = logging.getLogger(__name__)
_PAUSE = 0.2  # seconds until we accept again when descriptors or memory have run out
_SHORT = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

Protocol = Literal["grpc", "ttrpc"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server allows all its clients together."""

    connections: int = 4096  # open at a time; more are closed at once
    threads: int = 64  # for handlers that wait
    upload_threads: int = 192  # for calls that stream, either way
    queue: int = 4096  # calls that wait for a thread, in either lane
    http2: http2.Limits = dataclasses.field(default_factory=http2.Limits)


class Server:
    """Serves the same handlers on any number of sockets, over gRPC and ttrpc."""

    def __init__(
        self,
        handlers: Iterable[methods.Handler],
        *,
        translate: Callable[[BaseException], status.Status],
        limits: Limits | None = None,
        rested: Callable[[], object] | None = None,
    ) -> None:
        """`rested` is called whenever nothing has arrived for a second, in a thread that must not wait for long."""
        self._limits = limits or Limits()
        self._routes = exchanges.Routes({handler.method.path: running.Route(handler) for handler in handlers})
        self._heads = heads.Heads(self._routes)
        limited = self._limits
        threads = pool.Pool(threads=limited.threads, long_threads=limited.upload_threads, queued=limited.queue)
        self._shop = running.Workshop(translate=translate, threads=threads, clock=timers.Timers())
        self._readers = readers.Readers("rpc-reader", rested)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._links: set[links.Link] = set()
        self._listeners: set[socket.socket] = set()
        self._closing = False

    def serve(self, listener: socket.socket, *, protocol: Protocol, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on a listening socket, which from now on is the server's. Returns at once."""
        if tls is not None and protocol == "grpc":
            tls.set_alpn_protocols(["h2"])
        listener.setblocking(False)
        with self._lock:
            if self._closing:
                raise RuntimeError("the server is shut down")
            self._listeners.add(listener)
        self._await(_Door(self, listener, protocol, tls))

    def adopt(
        self, connection: socket.socket, *, protocol: Protocol = "grpc", tls: ssl.SSLContext | None = None
    ) -> None:
        """Serve one connection, such as an end of a socketpair. Returns at once."""
        try:
            wire = wires.Wire(connection) if tls is None else _secured(connection, tls)
        except OSError:
            connection.close()
            return
        session: exchanges.Session
        session = grpc.Session(self._heads, self._limits.http2) if protocol == "grpc" else ttrpc.Session(self._routes)
        link = links.Link(wire, session, shop=self._shop, source=self._readers, closed=self._closed)
        with self._lock:
            refused = self._closing or len(self._links) >= self._limits.connections
            if not refused:
                self._links.add(link)
        if refused:
            wire.close()
            return
        link.start()

    def shutdown(self, grace: float) -> None:
        """Take no new connections and calls, wait at most `grace` seconds for what is being worked on, close.

        Calls that wait for somebody else (Futures, Feeds) end with the connection.
        """
        with self._lock:
            if self._closing:
                return
            self._closing = True
            listeners, left = list(self._listeners), list(self._links)
        for listener in listeners:
            self._readers.remove(listener.fileno())
            listener.close()
        for link in left:
            link.go_away()
        end = time.monotonic() + grace
        while any(link.busy for link in left) and (rest := end - time.monotonic()) > 0:
            with self._lock:
                self._changed.wait(min(rest, 0.02))
        for link in left:
            link.close()
        self._join(max(1.0, end - time.monotonic()))
        self._shop.threads.close()
        self._shop.clock.close()
        self._readers.close()

    def _join(self, seconds: float) -> None:
        """Wait until every connection is closed."""
        end = time.monotonic() + seconds
        with self._lock:
            while self._links and (rest := end - time.monotonic()) > 0:
                self._changed.wait(rest)

    def _await(self, door: _Door) -> None:
        if not self._closing:
            self._readers.listen(door.listener.fileno(), door)

    def _accept(self, door: _Door) -> None:
        """Take one connection: we are told again as long as there are more."""
        try:
            connection, _address = door.listener.accept()
        except OSError as fault:
            if fault.errno in _SHORT:
                _log.warning("cannot accept connections for a moment: %s", fault)
                self._readers.remove(door.listener.fileno())
                self._shop.clock.add(time.monotonic() + _PAUSE, lambda: self._await(door))
            return  # else the client gave up while it waited: accept(2)
        with contextlib.suppress(OSError):
            self.adopt(connection, protocol=door.protocol, tls=door.tls)

    def _closed(self, link: links.Link) -> None:
        with self._lock:
            self._links.discard(link)
            self._changed.notify_all()


def _secured(connection: socket.socket, context: ssl.SSLContext) -> wires.Wire:
    from boxship.rpc import tls

    return tls.TlsWire(connection, context)


class _Door:
    """A listening socket; see `readers.Source`."""

    def __init__(self, server: Server, listener: socket.socket, protocol: Protocol, tls: ssl.SSLContext | None) -> None:
        self.listener = listener
        self.protocol = protocol
        self.tls = tls
        self._server = server

    def ready(self, _events: int) -> None:
        self._server._accept(self)
