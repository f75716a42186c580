"""The streams of a connection: which are open, which have been, and what a late frame for one means.

RFC 9113 section 5.1. A stream that we gave up may still get frames which were under way: they are ignored. One that
ended in order gets none; who sends some breaks the protocol.
"""

from __future__ import annotations

import collections

from boxship.rpc.http2 import calm, faults, frames, sending, streams

_Code = faults.ErrorCode
_REMEMBERED = 1000  # closed streams whose late frames are told from nonsense


class Book:
    """State only; frames that have to go out go to the sender."""

    def __init__(self, *, client: bool, sender: sending.Sender, budget: calm.Budget, limit: int, window: int) -> None:
        self.open: dict[int, streams.Stream] = {}
        self.last = 0  # the highest number the peer has opened
        self.next = 1  # the number of the next stream which we open
        self.going = False  # new streams are not looked at
        self._client = client
        self._sender = sender
        self._budget = budget
        self._limit = limit
        self._window = window
        self._closed: dict[int, bool] = {}  # number -> whether late frames are expected
        self._order: collections.deque[int] = collections.deque()  # of the closed ones, the oldest first

    def ours(self) -> streams.Stream:
        """A stream which we open (client)."""
        stream = self._add(self.next)
        self.next += 2
        return stream

    def theirs(self, number: int) -> streams.Stream | None:
        """The stream which a header block for an unknown number opens; None when the block is to be ignored."""
        if number in self._closed:
            if self._closed[number]:
                return None
            raise faults.ConnectionFault(_Code.STREAM_CLOSED, "HEADERS on a closed stream")
        if self._client or not number & 1 or number <= self.last:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, f"HEADERS may not open stream {number}")
        if self.going:
            self._budget.spend(calm.FAULT, "new streams after GOAWAY")
            self._remember(number, late=True)
            return None
        self.last = number
        if len(self.open) >= self._limit:
            raise faults.StreamFault(number, _Code.REFUSED_STREAM, "too many streams")
        return self._add(number)

    def is_idle(self, number: int) -> bool:
        """Whether nobody has ever opened it, or nobody can."""
        if not number & 1:
            return True
        if number in self._closed:
            return False
        return number >= self.next if self._client else number > self.last

    def end_local(self, stream: streams.Stream) -> None:
        """We send no more."""
        stream.local_open = False
        if not stream.remote_open:
            self._finish(stream)
        elif not self._client:
            # Answered before the request was complete: the rest is of no interest (8.1).
            self.abandon(stream, _Code.NO_ERROR)

    def end_remote(self, stream: streams.Stream) -> None:
        """The peer sends no more."""
        stream.remote_open = False
        if not stream.local_open:
            self._finish(stream)
        elif self._client:
            self.abandon(stream, _Code.NO_ERROR)

    def abandon(self, stream: streams.Stream, code: int) -> None:
        """Give the stream up: tell the peer, and ignore what it still sends."""
        if self.open.pop(stream.id, None) is not None:
            self._sender.emit(frames.rst_stream(stream.id, code))
            self._close(stream, late=True)

    def lose(self, number: int) -> streams.Stream | None:
        """The peer reset the stream; None when it is not open."""
        stream = self.open.pop(number, None)
        if stream is not None:
            self._close(stream, late=False)
        return stream

    def broken(self, fault: faults.StreamFault) -> streams.Stream | None:
        """The peer broke the stream; None when it is not open."""
        self._budget.spend(calm.FAULT, fault.reason)
        self._sender.emit(frames.rst_stream(fault.stream, fault.code))
        stream = self.open.pop(fault.stream, None)
        if stream is not None:
            self._close(stream, late=True)
        elif fault.stream not in self._closed:
            self._remember(fault.stream, late=True)
        return stream

    def late_data(self, number: int) -> None:
        """DATA for a stream which is not open, or which the peer has ended."""
        if self._closed.get(number):
            self._budget.spend(calm.CONTROL, "DATA after the end")
            return
        if self.is_idle(number):
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "DATA on a stream that was never opened")
        raise faults.StreamFault(number, _Code.STREAM_CLOSED, "DATA after the end")

    def pump(self) -> list[streams.Stream]:
        """Send what waits, as far as the windows allow; the streams which have nothing pending any more."""
        drained = self._sender.pump()
        for stream in drained:
            if not stream.local_open:
                self.end_local(stream)
        return drained

    def _add(self, number: int) -> streams.Stream:
        stream = self.open[number] = streams.Stream(number, self._sender.initial_window, self._window)
        return stream

    def _finish(self, stream: streams.Stream) -> None:
        self._budget.earned += calm.FINISHED
        if self.open.pop(stream.id, None) is not None:
            self._close(stream, late=False)

    def _close(self, stream: streams.Stream, *, late: bool) -> None:
        stream.local_open = stream.remote_open = False
        if stream.pending is not None:
            self._sender.drop(stream)
        self._remember(stream.id, late=late)

    def _remember(self, number: int, *, late: bool) -> None:
        closed, order = self._closed, self._order
        if number not in closed:
            order.append(number)
        closed[number] = late
        if len(order) > _REMEMBERED:
            del closed[order.popleft()]
