"""The calling end of a gRPC connection, without I/O.

session = Session(authority)
exchange = session.start(path, pairs, message)
socket.send(session.connection.take())
for exchange in session.receive(data, now):         # those for which something has come
    exchange.messages, exchange.status
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

from boxship.rpc import calls, status
from boxship.rpc.grpc import fields, messages
from boxship.rpc.http2 import blocks, faults, headers, streams
from boxship.rpc.http2 import connection as http2
from boxship.rpc.http2 import events as frames

_Code = status.Code
_OK = status.Status(_Code.OK)
_LIMITS = http2.Limits(streams=0, frame_size=256 << 10, stream_window=4 << 20, connection_window=64 << 20)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a list of headers from the server says, head or trailers."""

    http_status: bytes  # empty for trailers
    is_grpc: bool
    encoding: str
    status: status.Status | None
    metadata: calls.Metadata


class Exchange:
    """One call. It has ended when `status` is set (code OK included) and `messages` is empty."""

    __slots__ = (
        "_assembler",
        "_held",
        "_session",
        "deadline",
        "future",
        "initial",
        "messages",
        "status",
        "stream",
        "trailing",
        "waiters",
    )

    def __init__(self, session: Session, stream: streams.Stream) -> None:
        self._session = session
        self.stream = stream
        self.messages: collections.deque[bytes] = collections.deque()
        self.status: status.Status | None = None
        self.deadline: float | None = None  # on the driver's clock
        self.initial: calls.Metadata | None = None
        self.trailing: calls.Metadata | None = None
        self.waiters: Any = None  # the driver's
        self.future: Any = None  # the driver's
        self._assembler: messages.Assembler | None = None
        self._held = 0

    @property
    def blocked(self) -> bool:
        """Whether requests wait for the server's windows."""
        return self.stream.pending is not None

    def send(self, message: bytes) -> None:
        """Raises Status RESOURCE_EXHAUSTED when the message is too long."""
        self._session.connection.send_data(self.stream, messages.framed(message))

    def end(self) -> None:
        """No more requests."""
        self._session.connection.end(self.stream)

    def pop(self) -> bytes:
        """The next message; there must be one. The server may send more once all are taken."""
        message = self.messages.popleft()
        if not self.messages and self._held:
            self._session.connection.consume(self.stream, self._held)
            self._held = 0
        return message

    def cancel(self, ending: status.Status) -> None:
        """End the call from our side with this status, unless it has ended already."""
        if self.status is None:
            self.status = ending
            self._session.connection.reset(self.stream, faults.ErrorCode.CANCEL)


class Session:
    """See the module. One thread at a time."""

    def __init__(self, authority: str = "localhost", *, secure: bool = False, limits: http2.Limits = _LIMITS) -> None:
        self.connection = http2.Connection(client=True, interpret=_interpret, limits=limits)
        self._first = [
            (b":method", b"POST"),
            (b":scheme", b"https" if secure else b"http"),
        ]
        self._rest = [
            (b":authority", authority.encode("idna") if not authority.isascii() else authority.encode()),
            fields.CONTENT_TYPE,
            (b"te", b"trailers"),
            (b"user-agent", b"boxship-rpc/1"),
        ]
        self._prepared: dict[str, bytes] = {}
        self.lost: status.Status | None = None

    @property
    def available(self) -> bool:
        """Whether one more call may be started now."""
        http = self.connection
        return len(http.streams) < http.peer_streams

    def start(
        self, path: str, more: list[tuple[bytes, bytes]], message: bytes | None, deadline: float | None = None
    ) -> Exchange:
        """Begin a call, with its only request or (None) to be followed by `send` and `end`.

        Raises:
            status.Status: UNAVAILABLE when the connection takes no calls, RESOURCE_EXHAUSTED for too long a message.
        """
        http = self.connection
        if self.lost is not None:
            raise status.Status(self.lost.code, self.lost.message)
        if http.peer_going or http.exhausted:
            raise status.Status(_Code.UNAVAILABLE, "the server takes no new calls on this connection")
        data = None if message is None else messages.framed(message)
        block = self._prepared.get(path) or self._prepare(path)
        stream = http.open(block + blocks.encode(more) if more else block, ended=False)
        exchange = stream.owner = Exchange(self, stream)
        exchange.deadline = deadline
        if data is not None:
            http.send_last(stream, data)
        return exchange

    def receive(self, data: bytes, now: float) -> list[Exchange]:
        """The calls for which something has come: messages, the end, or room to send."""
        touched: list[Exchange] = []
        for event in self.connection.receive(data, now):
            if isinstance(event, frames.GoingAway):
                self._goaway(event, touched)
            elif isinstance(event, frames.Terminated):
                touched += self.lose(status.Status(_Code.INTERNAL, f"the server broke the protocol: {event.reason}"))
            elif not isinstance(event, frames.Pong) and (exchange := event.stream.owner) is not None:
                self._event(exchange, event, now)
                touched.append(exchange)
        return touched

    @property
    def waiting(self) -> bool:
        """Whether requests wait which the windows allow."""
        return self.connection.sender.waiting

    def take(self) -> bytes:
        """What is to be sent now."""
        return self.connection.take()

    def hold(self) -> None:
        """The driver's socket is full: prepare no more data."""
        self.connection.sender.held = True

    def resume(self) -> list[Exchange]:
        """The socket takes data again; the calls of which no request waits any more."""
        return [stream.owner for stream in self.connection.resume() if stream.owner is not None]

    def lose(self, ending: status.Status) -> list[Exchange]:
        """The connection is gone: every open call ends with this status."""
        if self.lost is None:
            self.lost = ending
        touched = []
        for stream in list(self.connection.streams.values()):
            if stream.owner is not None and stream.owner.status is None:
                stream.owner.status = status.Status(ending.code, ending.message)
                touched.append(stream.owner)
        self.connection.streams.clear()
        return touched

    def _event(self, exchange: Exchange, event: Any, now: float) -> None:
        try:
            if isinstance(event, frames.Data):
                self._data(exchange, event)
            elif isinstance(event, frames.Head):
                self._head(exchange, event)
            elif isinstance(event, frames.Reset):
                self._finish(exchange, _reset(exchange, event.code, now))
        except status.Status as failure:
            exchange.cancel(failure)

    def _data(self, exchange: Exchange, event: frames.Data) -> None:
        if exchange._assembler is None:
            raise status.Status(_Code.INTERNAL, "the server sent data before headers")
        found = exchange._assembler.feed(event.data)
        exchange._held += len(event.data)
        if not found and not exchange.messages:
            # A message may be longer than the window, so what is unfinished must not hold it shut.
            self.connection.consume(exchange.stream, exchange._held)
            exchange._held = 0
        exchange.messages.extend(found)
        if event.ended:
            raise status.Status(_Code.INTERNAL, "the server ended the call without a status")

    def _head(self, exchange: Exchange, event: frames.Head) -> None:
        view: View = event.view
        if view.http_status[:1] == b"1" and not event.ended:
            return
        if view.http_status and exchange.initial is None:
            if view.http_status != b"200" and view.status is None:
                raise fields.http_status(view.http_status)
            if not view.is_grpc and view.status is None:
                raise status.Status(_Code.UNKNOWN, "the server's answer is not gRPC")
            exchange.initial = view.metadata
            exchange._assembler = messages.Assembler(view.encoding)
        if event.ended:
            exchange.trailing = view.metadata
            broken = exchange._assembler is not None and not exchange._assembler.idle
            cut = status.Status(_Code.INTERNAL, "the answer ends within a message")
            self._finish(exchange, cut if broken else view.status or _silent())

    @staticmethod
    def _finish(exchange: Exchange, ending: status.Status) -> None:
        if exchange.status is None:
            exchange.status = ending

    def _goaway(self, event: frames.GoingAway, touched: list[Exchange]) -> None:
        """Calls above the last one were not looked at."""
        for number, stream in list(self.connection.streams.items()):
            if number > event.last and stream.owner is not None:
                text = f"the server is going away: {event.debug.decode('utf-8', 'replace')}".rstrip(": ")
                stream.owner.cancel(status.Status(_Code.UNAVAILABLE, text))
                touched.append(stream.owner)

    def _prepare(self, path: str) -> bytes:
        block = blocks.encode([*self._first, (b":path", path.encode()), *self._rest])
        self._prepared[path] = block
        return block


def _reset(exchange: Exchange, code: int, now: float) -> status.Status:
    """A server whose own clock ran out may reset the call, which then is no cancellation."""
    if code == faults.ErrorCode.CANCEL and exchange.deadline is not None and now >= exchange.deadline:
        return status.Status(_Code.DEADLINE_EXCEEDED, "context deadline exceeded")
    return fields.reset_status(code)


def _silent() -> status.Status:
    return status.Status(_Code.UNKNOWN, "the server ended the call without a status")


def _interpret(pairs: headers.Headers) -> View:
    found = dict(pairs)
    http_status = found.get(b":status", b"")
    (headers.check_response if http_status else headers.check_trailers)(pairs)
    return View(
        http_status=http_status,
        is_grpc=found.get(b"content-type", b"").startswith(b"application/grpc"),
        encoding=found.get(b"grpc-encoding", b"identity").decode("ascii", "replace"),
        status=fields.parse_status(pairs),
        metadata=fields.decode_metadata(pairs),
    )
