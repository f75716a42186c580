"""A call as the serving end of either protocol tells it: events in, answers out. What the drivers are written against."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from boxship.rpc import calls, status


class Route(Protocol):
    """What a path leads to, as far as a protocol has to know it."""

    @property
    def streams_requests(self) -> bool: ...

    @property
    def streams_responses(self) -> bool: ...


class Routes:
    """What paths lead to, for all connections of a server."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        """`routes` by "/service/method"."""
        self._routes = routes
        self._services = frozenset(path.split("/")[1] for path in routes)

    def get(self, path: str) -> Route | None:
        return self._routes.get(path)

    def has_service(self, name: str) -> bool:
        return name in self._services


class Head(Protocol):
    """What the beginning of a call says."""

    @property
    def route(self) -> Any: ...

    @property
    def metadata(self) -> calls.Metadata: ...

    @property
    def timeout(self) -> float | None: ...  # seconds


class Exchange(Protocol):
    """One call. After its end every method does nothing. All of it is used under the connection's lock."""

    @property
    def head(self) -> Head: ...

    context: Any  # the driver's
    queue: collections.deque[bytes] | None  # requests which nobody has taken yet
    initial: Mapping[str, str | bytes] | None
    trailing: Mapping[str, str | bytes] | None

    @property
    def open(self) -> bool:
        """Whether it still waits for its end."""

    @property
    def blocked(self) -> bool:
        """Whether answers wait for the client to read; then a driver sends no more until Drained."""

    def reply(self, message: bytes) -> None:
        """The only answer, and the end. Raises Status RESOURCE_EXHAUSTED when it is too long."""

    def send(self, message: bytes) -> None:
        """One of several answers. Raises Status RESOURCE_EXHAUSTED when it is too long."""

    def finish(self, ending: status.Status | None) -> None:
        """The end, well (None) or not."""

    def taken(self) -> None:
        """The queue is empty: the client may send more."""


@dataclasses.dataclass(slots=True)
class Whole:
    """A unary request has arrived completely."""

    exchange: Exchange
    message: bytes


@dataclasses.dataclass(slots=True)
class Begun:
    """A call that streams its requests begins."""

    exchange: Exchange


@dataclasses.dataclass(slots=True)
class Message:
    """There is something in the exchange's queue."""

    exchange: Exchange


@dataclasses.dataclass(slots=True)
class Ended:
    """The client sends no more messages."""

    exchange: Exchange


@dataclasses.dataclass(slots=True)
class Gone:
    """The call is over before its end: the client canceled or broke it, or it was refused midway."""

    exchange: Exchange


@dataclasses.dataclass(slots=True)
class Drained:
    """No answer of the call waits any more."""

    exchange: Exchange


@dataclasses.dataclass(slots=True)
class Broken:
    """The client broke the protocol. Send what is left and close."""

    reason: str


Event = Whole | Begun | Message | Ended | Gone | Drained | Broken


class Session(Protocol):
    """The serving end of a connection, without I/O."""

    @property
    def greeted(self) -> bool:
        """Whether the client has shown that it speaks the protocol."""

    @property
    def open_exchanges(self) -> list[Exchange]: ...

    def receive(self, data: bytes, now: float) -> list[Event]: ...

    @property
    def waiting(self) -> bool:
        """Whether `resume` would prepare more answers."""

    def take(self) -> bytes: ...

    def hold(self) -> None:
        """The socket is full."""

    def resume(self) -> list[Exchange]:
        """The socket takes data again; the calls which are no longer blocked."""

    def go_away(self) -> None:
        """Take no new calls."""
