"""The serving end of a gRPC connection, without I/O.

    session = Session(heads.Heads(routes))
    for event in session.receive(data, now): ...        # Whole, Begun, Message, Ended, Gone, ...
        event.exchange.reply(payload)
    socket.send(session.connection.take())

A path leads to whatever the driver wants to find again in `exchange.head.route`; its `streams_requests` says whether a
call is told as a Whole or as Begun, Messages and Ended.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

from boxship.rpc import exchanges, status
from boxship.rpc.grpc import fields, heads, messages
from boxship.rpc.http2 import blocks, faults, streams
from boxship.rpc.http2 import connection as http2
from boxship.rpc.http2 import events as frames

_Code = status.Code
_HEAD = blocks.encode([(b":status", b"200"), fields.CONTENT_TYPE])
_TRAILERS = blocks.encode([(b"grpc-status", b"0")])
_PENDING_LIMIT = 64 << 20  # bytes of answers which a client may leave waiting for its windows
_BUFFER_LIMIT = 64 << 20  # bytes of requests, unfinished or not yet taken, on one connection
_NO_GRPC = b"This is a gRPC server.\n"


class Exchange:
    """One call: its request comes by events, its answer goes out here. After the end every method does nothing."""

    __slots__ = (
        "_assembler",
        "_held",
        "_owed",
        "_session",
        "_started",
        "context",
        "head",
        "initial",
        "queue",
        "stream",
        "trailing",
    )

    def __init__(self, session: Session, stream: streams.Stream, head: heads.Head) -> None:
        self._session = session
        self.stream = stream
        self.head = head
        self.context: Any = None  # the driver's
        self.initial: Mapping[str, str | bytes] | None = None
        self.trailing: Mapping[str, str | bytes] | None = None
        self.queue: collections.deque[bytes] | None = None
        self._assembler: messages.Assembler | None = None
        self._started = False
        self._held = 0  # bytes of messages which the handler has not taken, and of an unfinished one
        self._owed = 0  # of these, bytes which have not been given back to the stream's window

    @property
    def open(self) -> bool:
        return self.stream.local_open and self.stream.ending is None

    @property
    def blocked(self) -> bool:
        """Whether answers wait for the client's windows."""
        return self.stream.pending is not None

    def reply(self, message: bytes) -> None:
        """The only answer, and the end. Raises Status RESOURCE_EXHAUSTED when it is too long."""
        stream = self.stream
        if not stream.local_open or stream.ending is not None:
            return
        data = messages.framed(message)
        http = self._session.connection
        plain = not (self._started or self.initial or self.trailing)
        if plain and http.send_whole(stream, _HEAD, data, _TRAILERS):
            return
        if http.sender.pending_size + len(data) > _PENDING_LIMIT:
            self.finish(status.Status(_Code.RESOURCE_EXHAUSTED, "too many answers wait for this client to read"))
            return
        self._start()
        http.send_data(self.stream, data)
        self.finish(None)

    def send(self, message: bytes) -> None:
        """One of several answers. Raises Status RESOURCE_EXHAUSTED when it is too long."""
        data = messages.framed(message)
        if self.open:
            self._start()
            self._session.connection.send_data(self.stream, data)

    def finish(self, ending: status.Status | None) -> None:
        """The end, well (None) or not."""
        if not self.open:
            return
        http = self._session.connection
        if ending is None and not self.trailing:
            self._start()
            http.end(self.stream, _TRAILERS)
            return
        pairs = fields.status_pairs(ending) + fields.encode_metadata(self.trailing or {})
        if self._started or ending is None:
            self._start()
            http.end(self.stream, blocks.encode(pairs))
        else:
            first = [(b":status", b"200"), fields.CONTENT_TYPE, *fields.encode_metadata(self.initial or {})]
            http.send_head(self.stream, blocks.encode(first + pairs), ended=True)

    def cancel(self) -> None:
        """End the call at once, without a status."""
        self._session.connection.reset(self.stream, faults.ErrorCode.CANCEL)

    def taken(self) -> None:
        """The handler has taken all messages there were: the client may send more."""
        self._session.release(self)

    def refuse(self) -> None:
        """Answer what is not gRPC."""
        http, stream = self._session.connection, self.stream
        pairs = [(b":status", self.head.http_refusal), (b"content-type", b"text/plain")]
        http.send_head(stream, blocks.encode(pairs))
        http.send_data(stream, _NO_GRPC)
        http.end(stream)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            block = _HEAD
            if self.initial:
                block += blocks.encode(fields.encode_metadata(self.initial))
            self._session.connection.send_head(self.stream, block)


class Session:
    """See the module. One thread at a time."""

    def __init__(self, reader: heads.Heads, limits: http2.Limits | None = None) -> None:
        self._buffered = 0
        self.connection = http2.Connection(client=False, interpret=reader.head, limits=limits or http2.Limits())

    @property
    def greeted(self) -> bool:
        return self.connection.settled

    @property
    def open_exchanges(self) -> list[exchanges.Exchange]:
        """Every call that is open."""
        return [stream.owner for stream in self.connection.streams.values() if stream.owner is not None]

    def receive(self, data: bytes, now: float) -> list[exchanges.Event]:
        out: list[exchanges.Event] = []
        for event in self.connection.receive(data, now):
            if isinstance(event, frames.Data):
                self._data(event.stream.owner, event, out)
            elif isinstance(event, frames.Head):
                self._head(event, out)
            elif isinstance(event, frames.Trailers):
                self._end(event.stream.owner, out)
            elif isinstance(event, frames.Reset):
                self._gone(event.stream.owner, out)
            elif isinstance(event, frames.Drained):
                if event.stream.owner is not None:
                    out.append(exchanges.Drained(event.stream.owner))
            elif isinstance(event, frames.Terminated):
                out.append(exchanges.Broken(event.reason))
        return out

    @property
    def waiting(self) -> bool:
        """Whether answers wait which the windows allow."""
        return self.connection.sender.waiting

    def take(self) -> bytes:
        """What is to be sent now."""
        return self.connection.take()

    def hold(self) -> None:
        """The driver's socket is full: prepare no more answers."""
        self.connection.sender.held = True

    def resume(self) -> list[exchanges.Exchange]:
        """The socket takes data again; the calls of which no answer waits any more."""
        return [stream.owner for stream in self.connection.resume() if stream.owner is not None]

    def go_away(self) -> None:
        """Take no new calls."""
        self.connection.go_away()

    def release(self, exchange: Exchange) -> None:
        kept = exchange._assembler.size if exchange._assembler is not None else 0
        self._buffered -= exchange._held - kept
        exchange._held = kept
        owed, exchange._owed = exchange._owed, 0
        self.connection.consume(exchange.stream, owed)

    def _head(self, event: frames.Head, out: list[exchanges.Event]) -> None:
        head: heads.Head = event.view
        stream = event.stream
        exchange = Exchange(self, stream, head)
        if head.http_refusal:
            stream.owner = exchange
            if event.ended:
                exchange.refuse()
        elif head.refusal is not None:
            exchange.finish(head.refusal)
        else:
            stream.owner = exchange
            if head.route.streams_requests:
                out.append(exchanges.Begun(exchange))
            if event.ended:
                self._end(exchange, out)

    def _data(self, exchange: Exchange | None, event: frames.Data, out: list[exchanges.Event]) -> None:
        data, stream = event.data, event.stream
        if exchange is None or not stream.local_open or stream.ending is not None:
            self.connection.consume(stream, len(data))
            return
        if exchange.head.route is None:
            self.connection.consume(stream, len(data))
            if event.ended:
                exchange.refuse()
            return
        try:
            if exchange.head.route.streams_requests:
                self._stream(exchange, data, out)
                if event.ended:
                    self._end(exchange, out)
            elif event.ended and exchange._assembler is None and (whole := messages.only(data)) is not None:
                out.append(exchanges.Whole(exchange, whole))
            else:
                self._collect(exchange, event, out)
        except status.Status as failure:
            exchange.finish(failure)
            self._gone(exchange, out)

    def _collect(self, exchange: Exchange, event: frames.Data, out: list[exchanges.Event]) -> None:
        """Data of a unary request which comes in several frames."""
        size = len(event.data)
        assembler = exchange._assembler = exchange._assembler or messages.Assembler(exchange.head.encoding)
        exchange.queue = exchange.queue or collections.deque()
        exchange.queue.extend(assembler.feed(event.data))
        self._hold(exchange, size)
        if len(exchange.queue) > 1:
            raise status.Status(_Code.INTERNAL, "the request has more than one message")
        self.connection.consume(event.stream, size)
        if event.ended:
            self._whole(exchange, assembler, list(exchange.queue), out)

    def _whole(
        self, exchange: Exchange, assembler: messages.Assembler, found: list[bytes], out: list[exchanges.Event]
    ) -> None:
        self._buffered -= exchange._held
        exchange._held = 0
        exchange.queue = None
        if len(found) != 1 or not assembler.idle:
            raise status.Status(_Code.INTERNAL, f"the request has {len(found)} whole messages, not one")
        out.append(exchanges.Whole(exchange, found[0]))

    def _stream(self, exchange: Exchange, data: bytes, out: list[exchanges.Event]) -> None:
        if not data:
            return
        assembler = exchange._assembler = exchange._assembler or messages.Assembler(exchange.head.encoding)
        found = assembler.feed(data)
        self._hold(exchange, len(data))
        if exchange.queue is None:
            exchange.queue = collections.deque()
        if not found and not exchange.queue:
            # A message may be longer than the window: as long as the handler waits for it, the client may go on.
            self.connection.consume(exchange.stream, len(data))
            return
        exchange._owed += len(data)
        if found:
            exchange.queue.extend(found)
            out.append(exchanges.Message(exchange))

    def _hold(self, exchange: Exchange, size: int) -> None:
        exchange._held += size
        self._buffered += size
        if self._buffered > _BUFFER_LIMIT:
            raise status.Status(_Code.RESOURCE_EXHAUSTED, "too many bytes of unfinished requests on this connection")

    def _end(self, exchange: Exchange | None, out: list[exchanges.Event]) -> None:
        if exchange is None or not exchange.open:
            return
        assembler = exchange._assembler
        try:
            if exchange.head.route is None:
                exchange.refuse()
            elif not exchange.head.route.streams_requests:
                self._whole(exchange, assembler or messages.Assembler(), list(exchange.queue or ()), out)
            elif assembler is not None and not assembler.idle:
                raise status.Status(_Code.INTERNAL, "the request ends within a message")
            else:
                out.append(exchanges.Ended(exchange))
        except status.Status as failure:
            exchange.finish(failure)
            self._gone(exchange, out)

    def _gone(self, exchange: Exchange | None, out: list[exchanges.Event]) -> None:
        if exchange is not None:
            self._buffered -= exchange._held
            exchange._held = 0
            out.append(exchanges.Gone(exchange))
