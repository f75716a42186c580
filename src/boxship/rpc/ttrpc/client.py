"""The calling end of a ttrpc connection, without I/O.

    stream = connection.request("svc", "Method", payload)
    socket.send(connection.take())
    for event in connection.receive(data):      # Response ends its stream; Data goes on with a streaming one
        ...

ttrpc has no way to cancel: `forget` drops the stream here, and what still comes for it is ignored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from boxship.rpc import status
from boxship.rpc.ttrpc import envelopes, fields, frames, server

_NOTHING: Mapping[str, tuple[str, ...]] = {}
_Code = status.Code


@dataclasses.dataclass(slots=True, kw_only=True)
class Response:
    """The call has ended: well, with the payload, or with a status."""

    stream: int
    payload: bytes
    status: status.Status | None


@dataclasses.dataclass(slots=True, kw_only=True)
class Data:
    """One of several answers (None: the server only closed its side)."""

    stream: int
    payload: bytes | None
    closed: bool


class ClientConnection:
    """Calls in, bytes out; bytes in, answers out."""

    def __init__(self) -> None:
        self.reader = frames.Reader()
        self._out: list[bytes] = []
        self._open: set[int] = set()
        self._next = 1

    def request(
        self,
        service: str,
        method: str,
        payload: bytes,
        *,
        timeout_nano: int = 0,
        metadata: Mapping[str, Iterable[str]] = _NOTHING,
        streams_requests: bool = False,
    ) -> int:
        """Open a stream; its number.

        Raises:
            status.Status: RESOURCE_EXHAUSTED when the request is too long, UNAVAILABLE when all numbers are used up.
        """
        message = envelopes.encode_request(service, method, payload, timeout_nano=timeout_nano, metadata=metadata)
        if len(message) > frames.MESSAGE_LIMIT:
            raise server.oversized(len(message))
        stream = self._next
        if stream >= 1 << 32:
            raise status.Status(_Code.UNAVAILABLE, "the connection has used up its stream numbers")
        self._next += 2
        self._open.add(stream)
        flags = frames.REMOTE_OPEN if streams_requests else 0
        self._out.append(frames.encode(stream, frames.REQUEST, flags, message))
        return stream

    def send(self, stream: int, payload: bytes) -> None:
        """One of several requests. Raises Status RESOURCE_EXHAUSTED when it is too long."""
        if len(payload) > frames.MESSAGE_LIMIT:
            raise server.oversized(len(payload))
        if stream in self._open:
            self._out.append(frames.encode(stream, frames.DATA, 0, payload))

    def finish(self, stream: int) -> None:
        """No more requests."""
        if stream in self._open:
            self._out.append(frames.encode(stream, frames.DATA, frames.REMOTE_CLOSED | frames.NO_DATA, b""))

    def forget(self, stream: int) -> None:
        self._open.discard(stream)

    def receive(self, data: bytes) -> list[Response | Data]:
        """The events in these bytes. An answer that makes no sense ends its call with INTERNAL."""
        events: list[Response | Data] = []
        for frame in self.reader.feed(data):
            if frame.stream in self._open and (event := self._event(frame)) is not None:
                if isinstance(event, Response) or event.closed:
                    self._open.discard(frame.stream)
                events.append(event)
        return events

    def take(self) -> bytes:
        """What is to be sent now."""
        out = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return out

    def _event(self, frame: frames.Frame) -> Response | Data | None:
        if frame.length > frames.MESSAGE_LIMIT:
            return Response(stream=frame.stream, payload=b"", status=server.oversized(frame.length))
        if frame.kind == frames.RESPONSE:
            return self._response(frame)
        if frame.kind != frames.DATA:
            return None  # a kind of the future
        payload = None if frame.flags & frames.NO_DATA else frame.payload
        return Data(stream=frame.stream, payload=payload, closed=bool(frame.flags & frames.REMOTE_CLOSED))

    def _response(self, frame: frames.Frame) -> Response:
        try:
            envelope = envelopes.decode_response(frame.payload)
        except fields.Malformed as failure:
            broken = status.Status(_Code.INTERNAL, f"the answer cannot be read: {failure}")
            return Response(stream=frame.stream, payload=b"", status=broken)
        return Response(stream=frame.stream, payload=envelope.payload, status=envelope.status)
