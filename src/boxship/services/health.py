"""grpc.health.v1.Health (github.com/grpc/grpc, doc/health-checking.md)"""

import threading
from collections.abc import Callable
from typing import Any

from boxship.api import health_pb2 as pb
from boxship.rpc import calls, methods
from boxship.terms import errors

_Serving = pb.HealthCheckResponse.ServingStatus


class HealthService:
    """Only the whole server has a state: the service "". It serves until `stop` says otherwise."""

    SERVICE = pb.DESCRIPTOR.services_by_name["Health"]

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._status: Any = _Serving.SERVING
        self._watchers: set[_Watch] = set()

    def stop(self) -> None:
        """Tell everybody that the server serves no more."""
        with self._lock:
            self._status = _Serving.NOT_SERVING
            watchers = list(self._watchers)
        for watcher in watchers:
            watcher.tell(_Serving.NOT_SERVING)

    @methods.quick
    def Check(self, request: pb.HealthCheckRequest, call: calls.Call) -> pb.HealthCheckResponse:
        if request.service:
            raise errors.NotFound("unknown service")
        return pb.HealthCheckResponse(status=self._status)

    @methods.quick
    def List(self, request: pb.HealthListRequest, call: calls.Call) -> pb.HealthListResponse:
        return pb.HealthListResponse(statuses={"": pb.HealthCheckResponse(status=self._status)})

    @methods.quick
    def Watch(self, request: pb.HealthCheckRequest, call: calls.Call) -> calls.Feed:
        if request.service:
            return _Watch(_Serving.SERVICE_UNKNOWN, lambda _: None)
        with self._lock:
            watch = _Watch(self._status, self._watchers.discard)
            self._watchers.add(watch)
        return watch


class _Watch:
    """The state now, then each change of it; who is slow sees the last one only."""

    def __init__(self, status: Any, forget: "Callable[[_Watch], None]") -> None:
        self._next: Any = status
        self._forget = forget
        self._ready: Callable[[], None] = lambda: None

    def tell(self, status: Any) -> None:
        self._next = status
        self._ready()

    def poll(self) -> pb.HealthCheckResponse | None:
        status, self._next = self._next, None
        return None if status is None else pb.HealthCheckResponse(status=status)

    def on_ready(self, callback: Callable[[], None]) -> None:
        self._ready = callback
        if self._next is not None:
            callback()

    def close(self) -> None:
        self._forget(self)


_: type[calls.Feed] = _Watch
