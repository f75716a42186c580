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

import dataclasses
from collections.abc import Callable
from typing import Any

from boxship.rpc.http2 import book, calm, events, faults, frames, headers, sending, streams

_Code = faults.ErrorCode
_unpack = frames.HEADER.unpack_from


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What we allow the peer. Sizes in bytes."""

    streams: int = 10_000
    stream_window: int = 1 << 20
    connection_window: int = 16 << 20
    frame_size: int = 16 << 10
    header_list: int = 64 << 10
    header_block: int = 128 << 10  # compressed, over all its frames
    continuations: int = 64


class _Partial:
    """A header block whose CONTINUATION frames are still coming."""

    __slots__ = ("flags", "frames", "parts", "size", "stream")

    def __init__(self, stream: int, flags: int, part: bytes) -> None:
        self.stream, self.flags, self.parts, self.size, self.frames = stream, flags, [part], len(part), 0


class Connection:
    """See the module. `interpret(headers)` reads a list of the peer's; ValueError says that it is malformed."""

    def __init__(self, *, client: bool, interpret: Callable[[headers.Headers], Any], limits: Limits = Limits()) -> None:
        self.client = client
        self.sender = sending.Sender()
        self.peer_streams = (1 << 31) - 1 if not client else 100  # how many we may open
        self.dead = False
        self.peer_going = False
        self._interpret = interpret
        self._limits = limits
        self._reader = headers.Reader(list_limit=limits.header_list)
        self._budget = calm.Budget()
        self._book = book.Book(
            client=client, sender=self.sender, budget=self._budget, limit=limits.streams, window=limits.stream_window
        )
        self.streams = self._book.open
        self._kept = b""
        self._preface = b"" if client else frames.PREFACE
        self.settled = False  # the peer's first SETTINGS has come
        self._partial: _Partial | None = None
        self._window_in = limits.connection_window
        self._low_water = limits.connection_window // 2
        self._table_update = b""
        self._table_size = 4096
        self._frames: tuple[Callable[[int, int, bytes, list[events.Event]], None], ...] = (
            self._on_data,
            self._on_headers,
            self._on_priority,
            self._on_rst_stream,
            self._on_settings,
            self._on_push_promise,
            self._on_ping,
            self._on_goaway,
            self._on_window_update,
            self._on_continuation,
        )
        self._greet()

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
        frame_size, dispatch = self._limits.frame_size, self._frames
        while end - at >= 9:
            upper, lower, kind, flags, stream = _unpack(data, at)
            length = upper << 8 | lower
            if length > frame_size:
                raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            finish = at + 9 + length
            if finish > end:
                break
            if self._partial is not None and kind != frames.CONTINUATION:
                raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "a header block is interrupted")
            if not self.settled and kind != frames.SETTINGS:
                raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            if kind <= frames.CONTINUATION:
                try:
                    dispatch[kind](stream & frames.STREAM_MASK, flags, data[at + 9 : finish], out)
                except faults.StreamFault as fault:
                    if (broken := self._book.broken(fault)) is not None:
                        out.append(events.Reset(broken, fault.code))
            else:
                self._budget.spend(calm.CONTROL, "of unknown kinds")
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
        if self._table_update:
            block, self._table_update = self._table_update + block, b""
        self.sender.emit(frames.headers(stream.id, block, end_stream=ended, frame_size=self.sender.frame_size))
        if ended:
            self._book.end_local(stream)

    def send_data(self, stream: streams.Stream, data: bytes) -> None:
        if stream.local_open and stream.ending is None:
            self.sender.data(stream, data)
            self._earn()

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
        """A response in one piece: blocks and data. False, and nothing sent, when it does not fit the windows."""
        sender, size, number = self.sender, len(data), stream.id
        if size > min(stream.window_out, sender.window, sender.frame_size) or self._table_update or sender.held:
            return False
        sender.window -= size
        pack = frames.HEADER.pack
        whole = (
            pack(0, len(head), frames.HEADERS, frames.END_HEADERS, number),
            head,
            pack(size >> 8, size & 0xFF, frames.DATA, 0, number),
            data,
            pack(0, len(trailers), frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number),
            trailers,
        )
        sender.emit(b"".join(whole))
        self._book.end_local(stream)
        return True

    def consume(self, stream: streams.Stream, size: int) -> None:
        """The driver has taken in `size` bytes of the stream's data: the peer may send as many more."""
        stream.unacknowledged += size
        if stream.remote_open and stream.unacknowledged >= self._limits.stream_window // 2:
            self.sender.emit(frames.window_update(stream.id, stream.unacknowledged))
            stream.window_in += stream.unacknowledged
            stream.unacknowledged = 0

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
        return self._pump()

    # -- frames --

    def _on_data(self, number: int, flags: int, payload: bytes, out: list[events.Event]) -> None:
        size = len(payload)
        if size > self._window_in:
            raise faults.ConnectionFault(_Code.FLOW_CONTROL_ERROR, "more data than the connection's window allows")
        self._window_in -= size
        if self._window_in <= self._low_water:
            self._refill()
        stream = self.streams.get(number)
        if stream is None or not stream.remote_open:
            self._book.late_data(number)
            return
        if size > stream.window_in:
            raise faults.StreamFault(number, _Code.FLOW_CONTROL_ERROR, "more data than the window allows")
        stream.window_in -= size
        if flags & frames.PADDED:
            payload = frames.unpadded(flags, payload)
            self.consume(stream, size - len(payload))
        ended = bool(flags & frames.END_STREAM)
        if payload:
            self._budget.earned += 1
        elif not ended:
            self._budget.spend(calm.FRAME, "empty DATA")
        if stream.expected is not None:
            self._count(stream, len(payload), ended=ended)
        if ended:
            self._book.end_remote(stream)
        out.append(events.Data(stream, payload, ended))

    def _on_headers(self, number: int, flags: int, payload: bytes, out: list[events.Event]) -> None:
        if not number:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "HEADERS on stream 0")
        if flags & frames.HAS_PRIORITY:
            self._check_priority(number, payload[1:] if flags & frames.PADDED else payload)
        if flags & (frames.PADDED | frames.HAS_PRIORITY):
            payload = frames.unpadded(flags, payload, priority=True)
        if flags & frames.END_HEADERS:
            self._on_block(number, flags, payload, out)
        else:
            self._partial = _Partial(number, flags, payload)

    def _on_continuation(self, number: int, flags: int, payload: bytes, out: list[events.Event]) -> None:
        partial = self._partial
        if partial is None or partial.stream != number:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        self._budget.spend(calm.CONTROL, "CONTINUATION")
        partial.parts.append(payload)
        partial.size += len(payload)
        partial.frames += 1
        if partial.size > self._limits.header_block or partial.frames > self._limits.continuations:
            raise faults.ConnectionFault(_Code.ENHANCE_YOUR_CALM, "a header block without end")
        if flags & frames.END_HEADERS:
            self._partial = None
            self._on_block(number, partial.flags, b"".join(partial.parts), out)

    def _on_block(self, number: int, flags: int, data: bytes, out: list[events.Event]) -> None:
        ended = bool(flags & frames.END_STREAM)
        if len(data) > self._limits.header_block:
            raise faults.ConnectionFault(_Code.ENHANCE_YOUR_CALM, f"a header block of {len(data)} bytes")
        block = self._reader.read(data)
        stream = self.streams.get(number)
        if stream is None:
            stream = self._book.theirs(number)
            if stream is None:
                return
            out.append(self._head(stream, block, ended=ended))
            return
        if not stream.remote_open:
            raise faults.StreamFault(number, _Code.STREAM_CLOSED, "HEADERS after the end")
        if self.client:
            view = block.known
            if view is None:
                view = self._view(stream, block)
            if ended:
                self._book.end_remote(stream)
            out.append(events.Head(stream, view, ended))
            return
        if not ended:
            raise faults.StreamFault(number, _Code.PROTOCOL_ERROR, "trailers which do not end the stream")
        self._check_trailers(stream, block)
        self._book.end_remote(stream)
        out.append(events.Trailers(stream, block.headers))

    def _on_priority(self, number: int, _flags: int, payload: bytes, _out: list[events.Event]) -> None:
        if not number:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "PRIORITY on stream 0")
        self._budget.spend(calm.CONTROL, "PRIORITY")
        if len(payload) != 5:
            raise faults.StreamFault(number, _Code.FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} bytes")
        self._check_priority(number, payload)

    def _on_rst_stream(self, number: int, _flags: int, payload: bytes, out: list[events.Event]) -> None:
        code = frames.read_u32("RST_STREAM", payload)
        if self._book.is_idle(number):
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "RST_STREAM of a stream that was never opened")
        stream = self._book.lose(number)
        self._budget.spend(calm.CONTROL if stream is None else calm.FAULT, "RST_STREAM")
        if stream is None:
            return
        out.append(events.Reset(stream, code))

    def _on_settings(self, number: int, flags: int, payload: bytes, out: list[events.Event]) -> None:
        if number:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "SETTINGS on a stream")
        self._budget.spend(calm.SETTINGS, "SETTINGS")
        if flags & frames.ACK:
            if payload:
                raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, "SETTINGS with ACK and a payload")
            return
        self.settled = True
        for key, value in frames.read_settings(payload):
            self._apply(key, value)
        self.sender.emit(frames.settings_ack())
        out.extend(events.Drained(stream) for stream in self._pump())

    def _on_push_promise(self, _number: int, _flags: int, _payload: bytes, _out: list[events.Event]) -> None:
        raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "PUSH_PROMISE, which nobody allowed")

    def _on_ping(self, number: int, flags: int, payload: bytes, out: list[events.Event]) -> None:
        if number:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes")
        self._budget.spend(calm.CONTROL, "PING")
        if flags & frames.ACK:
            out.append(events.Pong(payload))
        else:
            self.sender.emit(frames.ping(payload, ack=True))

    def _on_goaway(self, number: int, _flags: int, payload: bytes, out: list[events.Event]) -> None:
        if number:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
        self._budget.spend(calm.SETTINGS, "GOAWAY")
        self.peer_going = True
        last, code = int.from_bytes(payload[:4], "big") & frames.STREAM_MASK, int.from_bytes(payload[4:8], "big")
        out.append(events.GoingAway(last, code, payload[8:]))

    def _on_window_update(self, number: int, _flags: int, payload: bytes, out: list[events.Event]) -> None:
        increment = frames.read_u32("WINDOW_UPDATE", payload) & frames.LARGEST_WINDOW
        self._budget.spend(calm.CONTROL, "WINDOW_UPDATE")
        if not number:
            if not increment:
                raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
            self.sender.widen(increment)
        elif (stream := self.streams.get(number)) is not None:
            if not increment:
                raise faults.StreamFault(number, _Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
            self.sender.adjust(stream, increment)
        elif self._book.is_idle(number):
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "WINDOW_UPDATE of a stream that was never opened")
        else:
            return
        out.extend(events.Drained(stream) for stream in self._pump())

    # -- streams --

    def _head(self, stream: streams.Stream, block: headers.Block, *, ended: bool) -> events.Head:
        view = block.known
        if view is None:
            view = self._view(stream, block)
        if block.content_length is not None:
            stream.expected = block.content_length
            self._count(stream, 0, ended=ended)
        if ended:
            stream.remote_open = False
        return events.Head(stream, view, ended)

    def _view(self, stream: streams.Stream, block: headers.Block) -> Any:
        try:
            return block.view(self._interpret)
        except ValueError as fault:
            raise faults.StreamFault(stream.id, _Code.PROTOCOL_ERROR, str(fault)) from None

    def _check_trailers(self, stream: streams.Stream, block: headers.Block) -> None:
        try:
            headers.check_trailers(block.headers)
        except ValueError as fault:
            raise faults.StreamFault(stream.id, _Code.PROTOCOL_ERROR, str(fault)) from None

    @staticmethod
    def _count(stream: streams.Stream, size: int, *, ended: bool) -> None:
        stream.received += size
        expected = stream.expected
        if expected is not None and (stream.received > expected or (ended and stream.received != expected)):
            raise faults.StreamFault(stream.id, _Code.PROTOCOL_ERROR, "content-length and data disagree")

    def _check_priority(self, number: int, payload: bytes) -> None:
        if len(payload) < 5:
            raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, "priority fields are cut short")
        if int.from_bytes(payload[:4], "big") & frames.STREAM_MASK == number:
            raise faults.StreamFault(number, _Code.PROTOCOL_ERROR, "a stream cannot depend on itself")

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

    def _apply(self, key: int, value: int) -> None:
        sender = self.sender
        if key == frames.INITIAL_WINDOW_SIZE:
            change, sender.initial_window = value - sender.initial_window, value
            for stream in self.streams.values():
                stream.window_out += change
                if stream.window_out > frames.LARGEST_WINDOW:
                    raise faults.ConnectionFault(_Code.FLOW_CONTROL_ERROR, "a window of more than 2^31-1")
        elif key == frames.MAX_FRAME_SIZE:
            sender.frame_size = min(value, 1 << 20)
        elif key == frames.MAX_CONCURRENT_STREAMS and self.client:
            self.peer_streams = value
        elif key == frames.HEADER_TABLE_SIZE:
            if value < self._table_size:
                self._table_update = b"\x20"  # we use none of it, and must say so (RFC 7541 section 4.2)
            self._table_size = value

    def _refill(self) -> None:
        """Give the connection's window back, whoever consumes what came."""
        whole = self._limits.connection_window
        self.sender.emit(frames.window_update(0, whole - self._window_in))
        self._window_in = whole

    def _pump(self) -> list[streams.Stream]:
        drained = self.sender.pump()
        for stream in drained:
            if not stream.local_open:
                self._book.end_local(stream)
        self._earn()
        return drained

    def _earn(self) -> None:
        if self.sender.sent_frames:
            self._budget.earned += self.sender.sent_frames * calm.FRAME
            self.sender.sent_frames = 0

    def _die(self, fault: faults.ConnectionFault, out: list[events.Event]) -> None:
        self.dead = self._book.going = True
        self._kept = b""
        self._partial = None
        self.sender.emit(frames.goaway(self._book.last, fault.code, fault.reason.encode()[:128]))
        out.append(events.Terminated(fault.code, fault.reason))
