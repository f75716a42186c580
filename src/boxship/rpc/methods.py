"""What can be called: one entry per RPC, with the functions that turn its messages into bytes and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from boxship.rpc import calls

_F = TypeVar("_F", bound=Callable[..., Any])
_MARK = "__rpc_quick__"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One RPC of a service, as both sides know it."""

    service: str  # full name, "containerd.services.version.v1.Version"
    name: str
    encode_request: Callable[[Any], bytes]
    decode_request: Callable[[bytes], Any]
    encode_response: Callable[[Any], bytes]
    decode_response: Callable[[bytes], Any]
    streams_requests: bool = False
    streams_responses: bool = False

    @property
    def path(self) -> str:
        """HTTP/2's `:path`."""
        return f"/{self.service}/{self.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A method and the function that answers it.

    The function gets the request (an iterator of requests when `streams_requests`) and the call. It returns a response
    or a `concurrent.futures.Future` of one; when `streams_responses`, an iterator or a `calls.Feed`.

    A quick function waits for nobody: it runs in the thread that reads the connection. It may return a Future or a
    Feed, which cost no thread while they are open. A list is a stream of answers that are all there
    already: it should be short. `quick` means nothing for a method that streams requests.
    """

    method: Method
    function: Callable[[Any, calls.Call], Any]
    quick: bool = False


def quick(function: _F) -> _F:
    """Mark a handler as one that waits for nobody, so that it may run where the connection is read."""
    setattr(function, _MARK, True)
    return function


def is_quick(function: Callable[..., Any]) -> bool:
    """Whether `quick` marked the function, or the function below the bound method."""
    return bool(getattr(function, _MARK, False))
