"""The state of one HTTP/2 connection, in either role, without I/O.

    connection = Connection(client=False, interpret=parse)
    for event in connection.receive(data, now): ...
    socket.send(connection.take())

The driver calls from one thread at a time. It hands in what it reads and sends what `take` returns; when its socket is
full it sets `sender.held`, and calls `resume` once it is not.

Windows: the connection's is refilled as data arrives, so that a stream whose data nobody takes does not stop the
others; a stream's is refilled by `consume`. What a peer can make us hold is bounded by whoever consumes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boxship.rpc.http2 import book, calm, events, faults, frames, headers, receiving, sending, streams

_Code = faults.ErrorCode
Limits = receiving.Limits
_LIMITS = Limits()
_unpack = frames.HEADER.unpack_from


class Connection:
    """See the module. `interpret(headers)` reads a list of the peer's; ValueError says that it is malformed."""

    def __init__(self, *, client: bool, interpret: Callable[[headers.Headers], Any], limits: Limits = _LIMITS) -> None:
        self.client = client
        self.dead = False
        self._limits = limits
        self._budget = calm.Budget()
        self.sender = sending.Sender(self._budget)
        self._book = book.Book(
            client=client, sender=self.sender, budget=self._budget, limit=limits.streams, window=limits.stream_window
        )
        self._receiver = receiving.Receiver(
            client=client,
            interpret=interpret,
            limits=limits,
            sender=self.sender,
            budget=self._budget,
            streams=self._book,
        )
        self.streams = self._book.open
        self._kept = b""
        self._preface = b"" if client else frames.PREFACE
        self._greet()

    @property
    def settled(self) -> bool:
        """Whether the peer's first SETTINGS has come."""
        return self._receiver.settled

    @property
    def peer_streams(self) -> int:
        """How many streams the peer lets us open."""
        return self._receiver.peer_streams

    @property
    def peer_going(self) -> bool:
        """Whether the peer takes no new streams."""
        return self._receiver.peer_going

    # -- bytes in --

    def receive(self, data: bytes, now: float) -> list[events.Event]:
        """The events in these bytes. After Terminated the connection is dead and takes no more."""
        out: list[events.Event] = []
        if self.dead:
            return out
        self._budget.now = now
        try:
            self._cut(data, out)
        except faults.ConnectionFault as fault:
            self._die(fault, out)
        return out

    def _cut(self, data: bytes, out: list[events.Event]) -> None:
        if self._kept:
            data = self._kept + data
        if self._preface:
            data = self._greeted(data)
        at, end = 0, len(data)
        frame_size, receiver = self._limits.frame_size, self._receiver
        handlers = receiver.handlers
        while end - at >= 9:
            upper, lower, kind, flags, stream = _unpack(data, at)
            length = upper << 8 | lower
            if length > frame_size:
                raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            finish = at + 9 + length
            if finish > end:
                break
            if receiver.expected is not None and kind != receiver.expected:
                raise receiver.unexpected()
            handler = handlers[kind] if kind <= frames.CONTINUATION else receiver.unknown
            try:
                handler(stream & frames.STREAM_MASK, flags, data[at + 9 : finish], out)
            except faults.StreamFault as fault:
                if (broken := self._book.broken(fault)) is not None:
                    out.append(events.Reset(broken, fault.code))
            at = finish
        self._kept = data[at:]

    def _greeted(self, data: bytes) -> bytes:
        """What follows the client's preface (3.4); nothing while it is incomplete."""
        preface = self._preface
        if data[: len(preface)] != preface[: len(data)]:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "no HTTP/2 client")
        if len(data) < len(preface):
            self._kept = data
            return b""
        self._preface = b""
        return data[len(preface) :]

    # -- calls and answers out --

    def take(self) -> bytes:
        return self.sender.take()

    def open(self, block: bytes, *, ended: bool) -> streams.Stream:
        """Open a stream with a request's header block (client). The driver minds `peer_streams` and `peer_going`."""
        stream = self._book.ours()
        self.send_head(stream, block, ended=ended)
        return stream

    @property
    def exhausted(self) -> bool:
        """Whether the client has used up its stream numbers."""
        return self._book.next > frames.STREAM_MASK

    def send_head(self, stream: streams.Stream, block: bytes, *, ended: bool = False) -> None:
        """Headers that open a request or a response."""
        self.sender.head(stream, block, ended=ended)
        if ended:
            self._book.end_local(stream)

    def send_data(self, stream: streams.Stream, data: bytes) -> None:
        if stream.local_open and stream.ending is None:
            self.sender.data(stream, data)

    def end(self, stream: streams.Stream, ending: bytes = streams.END) -> None:
        """End our side after what is pending: with a block of trailers, or by flag."""
        if not stream.local_open or stream.ending is not None:
            return
        if self.sender.end(stream, ending):
            self._book.end_local(stream)

    def send_last(self, stream: streams.Stream, data: bytes) -> None:
        """Data and the end of our side, in one frame where it fits."""
        stream.ending = streams.END
        sender = self.sender
        if len(data) <= min(stream.window_out, sender.window, sender.frame_size) and stream.pending is None:
            stream.window_out -= len(data)
            sender.window -= len(data)
            sender.emit(frames.frame(frames.DATA, frames.END_STREAM, stream.id, data))
            self._book.end_local(stream)
            return
        sender.data(stream, data)
        if stream.pending is None:
            self._book.end_local(stream)

    def send_whole(self, stream: streams.Stream, head: bytes, data: bytes, trailers: bytes) -> bool:
        """A response in one piece: blocks and data. False, and nothing sent, when the windows or others are in the way."""
        sender, size = self.sender, len(data)
        if size > stream.window_out or not sender.takes(size):
            return False
        sender.respond(frames.response(stream.id, head, data, trailers, frame_size=sender.frame_size), size)
        self._book.end_local(stream)
        return True

    def consume(self, stream: streams.Stream, size: int) -> None:
        """The driver has taken in `size` bytes of the stream's data: the peer may send as many more."""
        self._receiver.consume(stream, size)

    def reset(self, stream: streams.Stream, code: int) -> None:
        """End the stream at once. What the peer still sends for it is ignored."""
        self._book.abandon(stream, code)

    def go_away(self, code: int = _Code.NO_ERROR, debug: bytes = b"") -> None:
        """Take no new streams."""
        self._book.going = True
        self.sender.emit(frames.goaway(self._book.last, code, debug))

    def ping(self, payload: bytes) -> None:
        self.sender.emit(frames.ping(payload))

    def resume(self) -> list[streams.Stream]:
        """The socket takes data again; the streams which have nothing pending any more."""
        self.sender.held = False
        return self._book.pump()

    # -- frames --

    # -- the connection --

    def _greet(self) -> None:
        if self.client:
            self.sender.emit(frames.PREFACE)
        limits = self._limits
        values = {
            frames.INITIAL_WINDOW_SIZE: limits.stream_window,
            frames.MAX_FRAME_SIZE: limits.frame_size,
            frames.MAX_HEADER_LIST_SIZE: limits.header_list,
        }
        values |= {frames.ENABLE_PUSH: 0} if self.client else {frames.MAX_CONCURRENT_STREAMS: limits.streams}
        self.sender.emit(frames.settings(values))
        if (more := limits.connection_window - frames.DEFAULT_WINDOW) > 0:
            self.sender.emit(frames.window_update(0, more))

    def _die(self, fault: faults.ConnectionFault, out: list[events.Event]) -> None:
        self.dead = self._book.going = True
        self._kept = b""
        self._receiver.forget()
        self.sender.emit(frames.goaway(self._book.last, fault.code, fault.reason.encode()[:128]))
        out.append(events.Terminated(fault.code, fault.reason))
