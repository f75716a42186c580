"""ttrpc's serving end in the words of `exchanges`, for a driver which serves both protocols."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from boxship.rpc import calls, exchanges, status
from boxship.rpc.ttrpc import server

_Code = status.Code
_QUEUE_LIMIT = 16 << 20  # bytes of messages which handlers have not taken, on one connection; ttrpc has no windows


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a request says before its message."""

    route: Any
    metadata: calls.Metadata
    timeout: float | None  # seconds


class Exchange:
    """One call; see `exchanges.Exchange`."""

    __slots__ = ("_session", "context", "head", "held", "initial", "queue", "stream", "trailing")

    def __init__(self, session: Session, stream: int, head: Head) -> None:
        self._session = session
        self.stream = stream
        self.head = head
        self.context: Any = None
        self.queue: collections.deque[bytes] | None = None
        self.held = 0
        self.initial: Mapping[str, str | bytes] | None = None  # ttrpc has no metadata in answers
        self.trailing: Mapping[str, str | bytes] | None = None

    @property
    def open(self) -> bool:
        return self.stream in self._session.running

    @property
    def blocked(self) -> bool:
        return self._session.held and self.open

    def reply(self, message: bytes) -> None:
        self._session.connection.respond(self.stream, message)
        self._session.remove(self)

    def send(self, message: bytes) -> None:
        self._session.connection.send(self.stream, message)

    def finish(self, ending: status.Status | None) -> None:
        if ending is None:
            self._session.connection.finish(self.stream)
        else:
            self._session.connection.fail(self.stream, ending)
        self._session.remove(self)

    def taken(self) -> None:
        self._session.release(self)


class Session:
    """See the module."""

    def __init__(self, routes: exchanges.Routes) -> None:
        self.connection = server.ServerConnection()
        self.running: dict[int, Exchange] = {}
        self.held = False
        self._routes = routes
        self._queued = 0
        self._going = False

    @property
    def greeted(self) -> bool:
        return self.connection.greeted

    @property
    def open_exchanges(self) -> list[exchanges.Exchange]:
        return list(self.running.values())

    def receive(self, data: bytes, now: float) -> list[exchanges.Event]:
        out: list[exchanges.Event] = []
        for event in self.connection.receive(data):
            if isinstance(event, server.Request):
                self._request(event, out)
            elif (exchange := self.running.get(event.stream)) is not None:
                self._data(exchange, event, out)
        return out

    @property
    def waiting(self) -> bool:
        return False  # without windows everything is prepared at once

    def take(self) -> bytes:
        return self.connection.take()

    def hold(self) -> None:
        self.held = True

    def resume(self) -> list[exchanges.Exchange]:
        self.held = False
        return self.open_exchanges

    def go_away(self) -> None:
        self._going = True

    def remove(self, exchange: Exchange) -> None:
        if self.running.pop(exchange.stream, None) is not None:
            self.release(exchange)

    def release(self, exchange: Exchange) -> None:
        self._queued -= exchange.held
        exchange.held = 0

    def _request(self, event: server.Request, out: list[exchanges.Event]) -> None:
        try:
            route = self._route(event.envelope.service, event.envelope.method)
        except status.Status as refusal:
            self.connection.fail(event.stream, refusal)
            return
        nano = event.envelope.timeout_nano
        timeout = nano / 1e9 if nano > 0 else None
        exchange = Exchange(self, event.stream, Head(route=route, metadata=event.envelope.metadata, timeout=timeout))
        self.running[event.stream] = exchange
        if not route.streams_requests:
            out.append(exchanges.Whole(exchange, event.envelope.payload))
            return
        out.append(exchanges.Begun(exchange))
        if event.envelope.payload:
            self._enqueue(exchange, event.envelope.payload, out)
        if event.closed:
            out.append(exchanges.Ended(exchange))

    def _data(self, exchange: Exchange, event: server.Data, out: list[exchanges.Event]) -> None:
        if not exchange.head.route.streams_requests:
            return  # a unary client that closes its side says nothing new
        if event.payload is not None and not (event.closed and not event.payload):
            self._enqueue(exchange, event.payload, out)
        if event.closed:
            out.append(exchanges.Ended(exchange))

    def _enqueue(self, exchange: Exchange, payload: bytes, out: list[exchanges.Event]) -> None:
        exchange.held += len(payload) + 64
        self._queued += len(payload) + 64
        if self._queued > _QUEUE_LIMIT:
            exchange.finish(status.Status(_Code.RESOURCE_EXHAUSTED, "too many requests wait for the server"))
            out.append(exchanges.Gone(exchange))
            return
        exchange.queue = collections.deque() if exchange.queue is None else exchange.queue
        exchange.queue.append(payload)
        out.append(exchanges.Message(exchange))

    def _route(self, service: str, method: str) -> exchanges.Route:
        if self._going:
            raise status.Status(_Code.UNAVAILABLE, "the server is shutting down")
        if (route := self._routes.get(f"/{service}/{method}")) is not None:
            return route
        if self._routes.has_service(service):
            raise status.Status(_Code.UNIMPLEMENTED, f"method {method}")
        raise status.Status(_Code.UNIMPLEMENTED, f"service {service}")
