"""The sending half of a connection: frames to be sent, and data that waits for its window (RFC 9113 section 5.2).

Control frames always go out. Data goes out as far as both windows, and the driver's socket, take it; the rest waits in
its stream, and streams that wait take turns.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable

from boxship.rpc.http2 import calm, faults, frames, streams

_HIGH_WATER = 256 << 10  # bytes of frames which are prepared before the socket took some
_TURN = 64 << 10  # bytes a stream may send before the next one's turn
_header = frames.HEADER.pack


class Sender:
    def __init__(self, budget: calm.Budget) -> None:
        self._budget = budget
        self.window = frames.DEFAULT_WINDOW
        self.initial_window = frames.DEFAULT_WINDOW
        self.frame_size = frames.DEFAULT_FRAME_SIZE
        self.held = False  # the driver's socket is full: prepare no more data
        self.pending_size = 0  # bytes of all streams that wait
        self._waiting: dict[int, streams.Stream] = {}
        self._out: list[bytes | memoryview] = []
        self._size = 0
        self.table_update = b""  # what the next header block has to begin with

    def emit(self, frame: bytes) -> None:
        self._out.append(frame)
        self._size += len(frame)

    @property
    def has_output(self) -> bool:
        return bool(self._out)

    @property
    def waiting(self) -> bool:
        """Whether data waits which the connection's window would allow."""
        return bool(self._waiting) and self.window > 0

    def takes(self, size: int) -> bool:
        """Whether a whole response with so much data may go out past all that waits."""
        return size <= self.window and size <= _TURN and not self.held and not self.table_update

    def respond(self, pieces: Iterable[bytes | memoryview], size: int) -> None:
        """Send the pieces of a response with so much data, which `takes` has allowed."""
        self.window -= size
        self._out += pieces
        self._size += size

    def take(self) -> bytes:
        """The frames to be sent now."""
        out = self._out
        data = bytes(out[0]) if len(out) == 1 else b"".join(out)
        out.clear()
        self._size = 0
        return data

    def head(self, stream: streams.Stream, block: bytes, *, ended: bool) -> None:
        if self.table_update:
            block, self.table_update = self.table_update + block, b""
        self.emit(frames.headers(stream.id, block, end_stream=ended, frame_size=self.frame_size))

    def data(self, stream: streams.Stream, data: bytes) -> None:
        """Send data as soon as the windows allow."""
        size = len(data)
        if stream.pending is None and size <= min(stream.window_out, self.window, self.frame_size) and self._roomy():
            stream.window_out -= size
            self.window -= size
            self.emit(frames.frame(frames.DATA, 0, stream.id, data))
            self._budget.earned += calm.FRAME
            return
        if stream.pending is None:
            stream.pending = collections.deque()
            self._waiting[stream.id] = stream
        stream.pending.append(data)
        stream.pending_size += size
        self.pending_size += size
        self._turn(stream)

    def end(self, stream: streams.Stream, ending: bytes) -> bool:
        """End our side, by a block of trailers or streams.END, after what is pending. True when it is done."""
        stream.ending = ending
        if stream.pending is None:
            self._finish(stream)
            return True
        return False

    def drop(self, stream: streams.Stream) -> None:
        """Nothing more for this stream."""
        self._waiting.pop(stream.id, None)
        self.pending_size -= stream.pending_size
        stream.pending, stream.pending_size = None, 0

    def pump(self) -> list[streams.Stream]:
        """Send what the windows allow now; the streams which have nothing pending any more."""
        drained: list[streams.Stream] = []
        moving = True
        while moving and self._waiting and self.window > 0 and self._roomy():
            moving = False
            for stream in list(self._waiting.values()):
                before = stream.pending_size
                if self._turn(stream):
                    drained.append(stream)
                moving = moving or stream.pending_size != before
        return drained

    def adjust(self, stream: streams.Stream, increment: int) -> None:
        """A larger (or, by SETTINGS, smaller) window. Raises StreamFault."""
        stream.window_out += increment
        if stream.window_out > frames.LARGEST_WINDOW:
            raise faults.StreamFault(stream.id, faults.ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1")

    def widen(self, increment: int) -> None:
        """A larger window of the connection. Raises ConnectionFault."""
        self.window += increment
        if self.window > frames.LARGEST_WINDOW:
            raise faults.ConnectionFault(faults.ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1")

    def _roomy(self) -> bool:
        return self._size < _HIGH_WATER and not self.held

    def _turn(self, stream: streams.Stream) -> bool:
        """Send a part of what is pending; True when nothing is left."""
        pending, sent = stream.pending, 0
        if pending is None:
            return True
        while pending and sent < _TURN and self._roomy():
            chunk = pending[0]
            step = min(len(chunk), stream.window_out, self.window, self.frame_size)
            if step <= 0 and chunk:
                break
            if step == len(chunk):
                pending.popleft()
            else:
                pending[0] = memoryview(chunk)[step:]  # type: ignore[assignment]
                chunk = chunk[:step]
            self._account(stream, step)
            last = not pending and stream.ending == streams.END
            flags = frames.END_STREAM if last else 0
            self._out.append(_header(step >> 8, step & 0xFF, frames.DATA, flags, stream.id))
            self._out.append(chunk)
            self._size += step + frames.HEADER_SIZE
            self._budget.earned += calm.FRAME
            sent += step
            if last:
                stream.local_open = False
        if pending:
            return False
        stream.pending = None
        self._waiting.pop(stream.id, None)
        if stream.local_open and stream.ending is not None:
            self._finish(stream)
        return True

    def _account(self, stream: streams.Stream, step: int) -> None:
        stream.window_out -= step
        self.window -= step
        stream.pending_size -= step
        self.pending_size -= step

    def _finish(self, stream: streams.Stream) -> None:
        stream.local_open = False
        if stream.ending == streams.END:
            self.emit(frames.frame(frames.DATA, frames.END_STREAM, stream.id))
        elif stream.ending is not None:
            self.emit(frames.headers(stream.id, stream.ending, end_stream=True, frame_size=self.frame_size))
