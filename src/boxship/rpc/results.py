"""A call as the calling end of either protocol tells it, and what came of it. What the drivers are written against."""

from __future__ import annotations

from typing import Any, Protocol

from boxship.rpc import status

_Code = status.Code
Status = status.Status
EXPIRED = "context deadline exceeded"  # Go's words


class Exchange(Protocol):
    """A call, as `grpc.client` and `ttrpc.calling` tell it."""

    waiters: Any
    future: Any

    @property
    def status(self) -> Status | None: ...

    @property
    def blocked(self) -> bool: ...

    @property
    def messages(self) -> Any: ...

    def pop(self) -> bytes: ...

    def cancel(self, ending: Status) -> None: ...


class Session(Protocol):
    @property
    def available(self) -> bool: ...

    @property
    def waiting(self) -> bool: ...

    def receive(self, data: bytes, now: float) -> Any: ...

    def take(self) -> bytes: ...

    def hold(self) -> None: ...

    def resume(self) -> Any: ...

    def lose(self, ending: Status) -> Any: ...


def fulfil(exchange: Exchange) -> None:
    """Complete the future of a call which has ended."""
    future, exchange.future = exchange.future, None
    if future is not None and future.set_running_or_notify_cancel():
        try:
            future.set_result(result_of(exchange))
        except Status as failure:
            future.set_exception(failure)


def result_of(exchange: Exchange) -> bytes:
    """The only answer of a call which has ended. Raises Status."""
    ending = exchange.status
    if ending is None or ending.code is not _Code.OK:
        raise failure_of(ending)
    if len(exchange.messages) != 1:
        raise Status(_Code.INTERNAL, f"the server sent {len(exchange.messages)} answers, not one")
    return exchange.pop()


def failure_of(ending: Status | None) -> Status:
    """A status to raise: its own object, since one of headers is shared by all calls that end so."""
    if ending is None:
        return Status(_Code.INTERNAL, "the call has not ended")
    return Status(ending.code, ending.message, ending.details)
