"""A caller: a channel bound to a namespace and perhaps a lease. It turns statuses into errors, and that is all.

`async_callers` is the same awaited; both are written by hand, since they differ in more than their colour.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol, Self, TypeVar

from boxship.rpc import status
from boxship.rpc.methods import Method
from boxship.wire import errors as wire
from boxship.wire import headers

T = TypeVar("T")
Later = Future
"""An answer that comes later."""


class Stream(Protocol):
    """The part of `rpc.client.Stream` that is used here."""

    def send(self, request: Any) -> bool: ...
    def done_sending(self) -> None: ...
    def __next__(self) -> Any: ...
    def close(self) -> None: ...


class Channel(Protocol):
    """The part of `rpc.client.Channel` that is used here."""

    def call(
        self, method: Method, request: Any, *, metadata: Mapping[str, str], timeout: float | None = None
    ) -> Any: ...
    def call_async(
        self, method: Method, request: Any, *, metadata: Mapping[str, str], timeout: float | None = None
    ) -> "Future[Any]": ...
    def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str], timeout: float | None = None
    ) -> Any: ...


class Bound:
    """What a call carries beside its message."""

    def __init__(self, namespace: str, lease: str, timeout: float | None) -> None:
        self.namespace = namespace
        self.lease = lease
        self.timeout = timeout
        self.headers = headers.bound(namespace, lease) if namespace else {}


class Caller(Bound):
    """Calls from threads; many may share one. `timeout` in seconds is for each unary call."""

    def __init__(self, channel: Channel, namespace: str = "", *, lease: str = "", timeout: float | None = None) -> None:
        super().__init__(namespace, lease, timeout)
        self.channel = channel

    def bind(self, namespace: str = "", *, lease: str = "") -> "Caller":
        """The same channel for another namespace (by default this one) and lease."""
        return Caller(self.channel, namespace or self.namespace, lease=lease, timeout=self.timeout)

    def call(self, method: Method, request: Any) -> Any:
        try:
            return self.channel.call(method, request, metadata=self.headers, timeout=self.timeout)
        except status.Status as ended:
            raise wire.from_status(ended) from ended

    def future(self, method: Method, request: Any, convert: Callable[[Any], T]) -> Later[T]:
        """A call that may take for ever: its answer comes later, and no thread waits for it."""
        result: Future[T] = Future()

        def settle(answered: "Future[Any]") -> None:
            try:
                result.set_result(convert(answered.result()))
            except status.Status as ended:
                result.set_exception(wire.from_status(ended))
            except BaseException as exc:  # whoever asks the future gets it
                result.set_exception(exc)

        try:
            self.channel.call_async(method, request, metadata=self.headers).add_done_callback(settle)
        except status.Status as ended:  # the connection was lost before
            raise wire.from_status(ended) from ended
        return result

    def stream(self, method: Method, request: Any = None) -> "Conversation":
        try:
            return Conversation(self.channel.stream(method, request, metadata=self.headers))
        except status.Status as ended:
            raise wire.from_status(ended) from ended


class Conversation:
    """A stream whose statuses have become errors; a context manager, leaving it ends the call."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def send(self, request: Any) -> None:
        """An end that came meanwhile is told by `receive`: the answer to this request may stand before it."""
        try:
            self._stream.send(request)
        except status.Status as refused:
            raise wire.from_status(refused) from refused

    def done_sending(self) -> None:
        try:
            self._stream.done_sending()
        except status.Status as ended:
            raise wire.from_status(ended) from ended

    def receive(self) -> Any:
        """The next answer, None at the end."""
        try:
            return next(self._stream, None)
        except status.Status as ended:
            raise wire.from_status(ended) from ended

    def close(self) -> None:
        self._stream.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        answer = self.receive()
        if answer is None:
            raise StopIteration
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
