"""ttrpc's calling end as exchanges, for a driver which speaks both protocols; see `grpc.client` for the shape."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from boxship.rpc import calls, status
from boxship.rpc.ttrpc import client

_Code = status.Code


class Exchange:
    """One call. It has ended when `status` is set (code OK included) and `messages` is empty."""

    __slots__ = ("_session", "future", "initial", "messages", "status", "stream", "trailing", "waiters")

    def __init__(self, session: Session, stream: int) -> None:
        self._session = session
        self.stream = stream
        self.messages: collections.deque[bytes] = collections.deque()
        self.status: status.Status | None = None
        self.initial: calls.Metadata | None = None
        self.trailing: calls.Metadata | None = None
        self.waiters: Any = None
        self.future: Any = None

    @property
    def blocked(self) -> bool:
        return self._session.held

    def send(self, message: bytes) -> None:
        self._session.connection.send(self.stream, message)

    def end(self) -> None:
        self._session.connection.finish(self.stream)

    def pop(self) -> bytes:
        return self.messages.popleft()

    def cancel(self, ending: status.Status) -> None:
        """The server cannot be told; what it still answers is ignored."""
        if self.status is None:
            self.status = ending
            self._session.forget(self.stream)


class Session:
    """One thread at a time."""

    available = True

    def __init__(self) -> None:
        self.connection = client.ClientConnection()
        self.held = False
        self.lost: status.Status | None = None
        self._open: dict[int, Exchange] = {}

    def start(
        self,
        service: str,
        method: str,
        message: bytes | None,
        *,
        metadata: Mapping[str, Iterable[str]],
        timeout: float | None,
    ) -> Exchange:
        """Begin a call with its only request, or (None) to be followed by `send` and `end`. Raises Status."""
        if self.lost is not None:
            raise status.Status(self.lost.code, self.lost.message)
        nano = 0 if timeout is None else max(1, int(timeout * 1e9))
        stream = self.connection.request(
            service, method, message or b"", timeout_nano=nano, metadata=metadata, streams_requests=message is None
        )
        exchange = self._open[stream] = Exchange(self, stream)
        return exchange

    def receive(self, data: bytes, now: float) -> list[Exchange]:
        """The calls for which something has come."""
        touched = []
        for event in self.connection.receive(data):
            exchange = self._open.get(event.stream)
            if exchange is None:
                continue
            touched.append(exchange)
            if isinstance(event, client.Response):
                if event.status is None:
                    exchange.messages.append(event.payload)
                exchange.status = event.status or status.Status(_Code.OK)
                del self._open[event.stream]
                continue
            if event.payload is not None and not (event.closed and not event.payload):
                exchange.messages.append(event.payload)
            if event.closed:
                exchange.status = status.Status(_Code.OK)
                del self._open[event.stream]
        return touched

    def lose(self, ending: status.Status) -> list[Exchange]:
        """The connection is gone: every open call ends with this status."""
        if self.lost is None:
            self.lost = ending
        touched = list(self._open.values())
        for exchange in touched:
            exchange.status = status.Status(ending.code, ending.message)
        self._open.clear()
        return touched

    def forget(self, stream: int) -> None:
        self._open.pop(stream, None)
        self.connection.forget(stream)

    @property
    def waiting(self) -> bool:
        return False

    def take(self) -> bytes:
        return self.connection.take()

    def hold(self) -> None:
        self.held = True

    def resume(self) -> list[Exchange]:
        self.held = False
        return list(self._open.values())
