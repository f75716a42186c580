"""The serving end of a ttrpc connection, without I/O.

    connection = ServerConnection()
    for event in connection.receive(data):      # Request opens a stream, Data goes on with it
        connection.respond(event.stream, payload)
    socket.send(connection.take())

A unary call is answered by `respond` or `fail`. A method that streams its answers sends them by `send` and ends by
`finish` (or `fail`). Answering a stream that is not open does nothing: the client may have gone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from boxship.rpc import status
from boxship.rpc.ttrpc import envelopes, fields, frames

STREAM_LIMIT = 10_000  # calls open at a time on one connection; a Wait per process of a big pod is far below
_Code = status.Code


@dataclasses.dataclass(slots=True, kw_only=True)
class Request:
    """A call begins."""

    stream: int
    envelope: envelopes.Request
    closed: bool  # whether the client sends no more


@dataclasses.dataclass(slots=True, kw_only=True)
class Data:
    """A streaming client sent a message (None: it only closed its side)."""

    stream: int
    payload: bytes | None
    closed: bool


class ServerConnection:
    """Bytes in, events out; answers in, bytes out."""

    def __init__(self, *, stream_limit: int = STREAM_LIMIT) -> None:
        self.reader = frames.Reader()
        self._out: list[bytes] = []
        self._open: dict[int, bool] = {}  # stream -> whether the client may still send
        self._last = 0
        self._stream_limit = stream_limit

    @property
    def greeted(self) -> bool:
        """Whether the client has ever begun a call."""
        return self._last > 0

    @property
    def last(self) -> int:
        """The highest stream that the client has opened; 0 before its first call."""
        return self._last

    @property
    def idle(self) -> bool:
        """Whether neither side is in the middle of a message."""
        return self.reader.idle and not self._out

    def restore(self, last: int, streams: Iterable[int]) -> None:
        """Go on with the connection of another process: streams up to `last` are used up, but these await answers."""
        self._last = last
        self._open = dict.fromkeys(streams, False)

    def receive(self, data: bytes) -> list[Request | Data]:
        """The events in these bytes. What breaks the protocol is answered to the stream which did, as Go does it."""
        events: list[Request | Data] = []
        for frame in self.reader.feed(data):
            try:
                event = self._event(frame)
            except status.Status as failure:
                self._send(frame.stream, frames.RESPONSE, 0, envelopes.encode_failure(failure))
                self._open.pop(frame.stream, None)
            else:
                if event is not None:
                    events.append(event)
        return events

    def respond(self, stream: int, payload: bytes) -> None:
        """Answer a call whose method sends one response."""
        if self._open.pop(stream, None) is None:
            return
        message = envelopes.encode_response(payload)
        if len(message) > frames.MESSAGE_LIMIT:
            message = envelopes.encode_failure(oversized(len(message)))
        self._send(stream, frames.RESPONSE, 0, message)

    def fail(self, stream: int, failure: status.Status) -> None:
        if self._open.pop(stream, None) is not None:
            self._send(stream, frames.RESPONSE, 0, envelopes.encode_failure(failure))

    def send(self, stream: int, payload: bytes) -> None:
        """One of the answers of a method that streams them. Raises Status RESOURCE_EXHAUSTED when it is too long."""
        if len(payload) > frames.MESSAGE_LIMIT:
            raise oversized(len(payload))
        if stream in self._open:
            self._send(stream, frames.DATA, 0, payload)

    def finish(self, stream: int) -> None:
        """The end of streamed answers."""
        if self._open.pop(stream, None) is not None:
            self._send(stream, frames.DATA, frames.REMOTE_CLOSED | frames.NO_DATA, b"")

    def take(self) -> bytes:
        """What is to be sent now."""
        out = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return out

    def _event(self, frame: frames.Frame) -> Request | Data | None:
        if frame.length > frames.MESSAGE_LIMIT:
            raise oversized(frame.length)
        if frame.kind == frames.REQUEST:
            return self._request(frame)
        if frame.kind == frames.DATA:
            return self._data(frame)
        return None  # a kind of the future

    def _request(self, frame: frames.Frame) -> Request:
        if not frame.stream & 1:
            raise status.Status(_Code.INVALID_ARGUMENT, "StreamID must be odd for client initiated streams")
        if frame.stream <= self._last:
            raise status.Status(_Code.INVALID_ARGUMENT, "StreamID cannot be re-used and must increment")
        if len(self._open) >= self._stream_limit:
            raise status.Status(_Code.RESOURCE_EXHAUSTED, f"more than {self._stream_limit} calls on one connection")
        self._last = frame.stream
        try:
            envelope = envelopes.decode_request(frame.payload)
        except fields.Malformed as failure:
            raise status.Status(_Code.INVALID_ARGUMENT, f"unmarshal error: {failure}") from None
        closed = not frame.flags & frames.REMOTE_OPEN
        self._open[frame.stream] = not closed
        return Request(stream=frame.stream, envelope=envelope, closed=closed)

    def _data(self, frame: frames.Frame) -> Data:
        if not self._open.get(frame.stream):
            raise status.Status(_Code.INVALID_ARGUMENT, "StreamID is no longer active")
        closed = bool(frame.flags & frames.REMOTE_CLOSED)
        if closed and frame.payload:
            raise status.Status(_Code.INVALID_ARGUMENT, "data close message cannot include data")
        if closed:
            self._open[frame.stream] = False
        return Data(stream=frame.stream, payload=None if frame.flags & frames.NO_DATA else frame.payload, closed=closed)

    def _send(self, stream: int, kind: int, flags: int, payload: bytes) -> None:
        self._out.append(frames.encode(stream, kind, flags, payload))


def oversized(length: int) -> status.Status:
    """Go's words for a message above the limit."""
    return status.Status(
        _Code.RESOURCE_EXHAUSTED, f"message length {length} exceed maximum message size of {frames.MESSAGE_LIMIT}"
    )
