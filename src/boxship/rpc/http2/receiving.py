"""The receiving half of a connection: what each kind of frame means (RFC 9113 section 6)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from boxship.rpc.http2 import book, calm, events, faults, frames, headers, sending, streams, tables

_Code = faults.ErrorCode


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


class Receiver:
    """Gets whole frames and appends events. Raises StreamFault and ConnectionFault.

    Attributes:
        handlers: what takes a frame, by its kind.
        expected: the only kind that may come now; None when any may.
        settled: the peer's first SETTINGS has come.
        peer_streams: how many streams the peer lets us open.
        peer_going: it takes no new ones.
    """

    def __init__(
        self,
        *,
        client: bool,
        interpret: Callable[[headers.Headers], Any],
        limits: Limits,
        sender: sending.Sender,
        budget: calm.Budget,
        streams: book.Book,
    ) -> None:
        self.settled = False
        self.expected: int | None = frames.SETTINGS
        self.peer_streams = (1 << 31) - 1 if not client else 100
        self.peer_going = False
        self._client = client
        self._interpret = interpret
        self._limits = limits
        self._sender = sender
        self._budget = budget
        self._book = streams
        self._open = streams.open
        self._reader = headers.Reader(list_limit=limits.header_list)
        self._partial: _Partial | None = None
        self._window = limits.connection_window
        self._low_water = limits.connection_window // 2
        self._table_size = tables.DEFAULT_SIZE
        self.handlers: tuple[Callable[[int, int, bytes, list[events.Event]], None], ...] = (
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

    def unexpected(self) -> faults.ConnectionFault:
        """What a frame is that is not `expected`."""
        what = "a header block is interrupted" if self._partial is not None else "the first frame is not SETTINGS"
        return faults.ConnectionFault(_Code.PROTOCOL_ERROR, what)

    def unknown(self, _number: int, _flags: int, _payload: bytes, _out: list[events.Event]) -> None:
        """A frame of a kind that does not exist (4.1)."""
        self._budget.spend(calm.CONTROL, "of unknown kinds")

    def forget(self) -> None:
        """Nothing more will come."""
        self._partial = None

    def consume(self, stream: streams.Stream, size: int) -> None:
        """The driver has taken in `size` bytes of the stream's data: the peer may send as many more."""
        stream.unacknowledged += size
        if stream.remote_open and stream.unacknowledged >= self._limits.stream_window // 2:
            self._sender.emit(frames.window_update(stream.id, stream.unacknowledged))
            stream.window_in += stream.unacknowledged
            stream.unacknowledged = 0

    def _on_data(self, number: int, flags: int, payload: bytes, out: list[events.Event]) -> None:
        size = len(payload)
        if size > self._window:
            raise faults.ConnectionFault(_Code.FLOW_CONTROL_ERROR, "more data than the connection's window allows")
        self._window -= size
        if self._window <= self._low_water:
            self._refill()
        stream = self._open.get(number)
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
            self.expected = frames.CONTINUATION

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
            self._partial = self.expected = None
            self._on_block(number, partial.flags, b"".join(partial.parts), out)

    def _on_block(self, number: int, flags: int, data: bytes, out: list[events.Event]) -> None:
        ended = bool(flags & frames.END_STREAM)
        if len(data) > self._limits.header_block:
            raise faults.ConnectionFault(_Code.ENHANCE_YOUR_CALM, f"a header block of {len(data)} bytes")
        block = self._reader.read(data)
        stream = self._open.get(number)
        if stream is None:
            stream = self._book.theirs(number)
            if stream is None:
                return
            out.append(self._head(stream, block, ended=ended))
            return
        if not stream.remote_open:
            raise faults.StreamFault(number, _Code.STREAM_CLOSED, "HEADERS after the end")
        if self._client:
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
        self.expected = None
        for key, value in frames.read_settings(payload):
            self._apply(key, value)
        self._sender.emit(frames.settings_ack())
        out.extend(events.Drained(stream) for stream in self._book.pump())

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
            self._sender.emit(frames.ping(payload, ack=True))

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
            self._sender.widen(increment)
        elif (stream := self._open.get(number)) is not None:
            if not increment:
                raise faults.StreamFault(number, _Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
            self._sender.adjust(stream, increment)
        elif self._book.is_idle(number):
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "WINDOW_UPDATE of a stream that was never opened")
        else:
            return
        if self._sender.waiting:
            out.extend(events.Drained(stream) for stream in self._book.pump())

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

    def _apply(self, key: int, value: int) -> None:
        sender = self._sender
        if key == frames.INITIAL_WINDOW_SIZE:
            change, sender.initial_window = value - sender.initial_window, value
            for stream in self._open.values():
                stream.window_out += change
                if stream.window_out > frames.LARGEST_WINDOW:
                    raise faults.ConnectionFault(_Code.FLOW_CONTROL_ERROR, "a window of more than 2^31-1")
        elif key == frames.MAX_FRAME_SIZE:
            sender.frame_size = min(value, 1 << 20)
        elif key == frames.MAX_CONCURRENT_STREAMS and self._client:
            self.peer_streams = value
        elif key == frames.HEADER_TABLE_SIZE:
            if value < self._table_size:
                sender.table_update = b"\x20"  # we use none of it, and must say so (RFC 7541 section 4.2)
            self._table_size = value

    def _refill(self) -> None:
        """Give the connection's window back, whoever consumes what came."""
        whole = self._limits.connection_window
        self._sender.emit(frames.window_update(0, whole - self._window))
        self._window = whole
