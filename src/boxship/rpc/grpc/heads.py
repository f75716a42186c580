"""What the beginnings of requests say. Clients say the same again and again, so it is read once for all connections."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from boxship.rpc import calls, exchanges, status
from boxship.rpc.grpc import fields
from boxship.rpc.http2 import headers

_Code = status.Code
_REMEMBERED = 128  # heads, some 4 KB each
_REMEMBERED_SIZE = 4096  # bytes of the longest list of headers whose head is remembered


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a request's headers say. Shared by all calls with the same headers, of all clients."""

    path: str
    route: Any
    metadata: calls.Metadata = dataclasses.field(default_factory=dict)
    timeout: float | None = None  # seconds
    encoding: str = "identity"
    refusal: status.Status | None = None
    http_refusal: bytes = b""  # an HTTP status for what is not gRPC at all


class Heads:
    """Reads heads, for all connections of a server."""

    def __init__(self, routes: exchanges.Routes) -> None:
        self._routes = routes
        self._known: dict[headers.Headers, Head] = {}

    def head(self, pairs: headers.Headers) -> Head:
        """Raises ValueError for a malformed list of headers."""
        if (known := self._known.get(pairs)) is not None:
            return known
        head = self._read(pairs)
        if sum(len(name) + len(value) for name, value in pairs) <= _REMEMBERED_SIZE:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[pairs] = head
        return head

    def _read(self, pairs: headers.Headers) -> Head:
        headers.check_request(pairs)
        found = dict(pairs)
        path = found[b":path"].decode("ascii", "replace")
        if http_refusal := _http_refusal(found):
            return Head(path=path, route=None, http_refusal=http_refusal)
        try:
            return Head(
                path=path,
                route=self._route(path),
                metadata=fields.decode_metadata(pairs),
                timeout=fields.parse_timeout(found[b"grpc-timeout"]) if b"grpc-timeout" in found else None,
                encoding=found.get(b"grpc-encoding", b"identity").decode("ascii", "replace"),
            )
        except status.Status as failure:
            refusal = failure
        except ValueError as fault:
            refusal = status.Status(_Code.INTERNAL, str(fault))
        return Head(path=path, route=None, refusal=refusal)

    def _route(self, path: str) -> exchanges.Route:
        if (route := self._routes.get(path)) is not None:
            return route
        if path[:1] != "/" or "/" not in path[1:]:
            raise status.Status(_Code.UNIMPLEMENTED, f'malformed method name: "{path}"')
        service, _, method = path[1:].rpartition("/")
        if self._routes.has_service(service):
            raise status.Status(_Code.UNIMPLEMENTED, f"unknown method {method} for service {service}")
        raise status.Status(_Code.UNIMPLEMENTED, f"unknown service {service}")


def _http_refusal(found: Mapping[bytes, bytes]) -> bytes:
    """The HTTP status for what is not gRPC; nothing for what is."""
    if found[b":method"] != b"POST":
        return b"405"
    kind = found.get(b"content-type", b"").lower()
    if kind != b"application/grpc" and not kind.startswith((b"application/grpc+", b"application/grpc;")):
        return b"415"
    return b""
