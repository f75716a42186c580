"""Callers, awaited: see `callers`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, Self, TypeVar

from boxship.proxies import callers
from boxship.rpc import status
from boxship.rpc.methods import Method
from boxship.wire import errors as wire

T = TypeVar("T")
Later = Awaitable
"""An answer that comes later."""


class Channel(Protocol):
    """The part of `rpc.aio.Channel` that is used here."""

    async def call(
        self,
        method: Method,
        request: Any,
        *,
        metadata: Mapping[str, str],
        timeout: float | None = None,  # noqa: ASYNC109 - it is the call's deadline, told to the server
    ) -> Any: ...
    async def stream(
        self,
        method: Method,
        request: Any,
        *,
        metadata: Mapping[str, str],
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> Any: ...


class AsyncCaller(callers.Bound):
    """Calls from tasks of one event loop. `timeout` in seconds is for each unary call."""

    def __init__(self, channel: Channel, namespace: str = "", *, lease: str = "", timeout: float | None = None) -> None:
        super().__init__(namespace, lease, timeout)
        self.channel = channel

    def bind(self, namespace: str = "", *, lease: str = "") -> "AsyncCaller":
        """The same channel for another namespace (by default this one) and lease."""
        return AsyncCaller(self.channel, namespace or self.namespace, lease=lease, timeout=self.timeout)

    async def call(self, method: Method, request: Any) -> Any:
        try:
            return await self.channel.call(method, request, metadata=self.headers, timeout=self.timeout)
        except status.Status as ended:
            raise wire.from_status(ended) from ended

    def future(self, method: Method, request: Any, convert: Callable[[Any], T]) -> Later[T]:
        """A call that may take for ever: its answer comes later."""

        async def wait() -> T:
            try:
                return convert(await self.channel.call(method, request, metadata=self.headers, timeout=None))
            except status.Status as ended:
                raise wire.from_status(ended) from ended

        return asyncio.ensure_future(wait())

    async def stream(self, method: Method, request: Any = None) -> "AsyncConversation":
        try:
            return AsyncConversation(await self.channel.stream(method, request, metadata=self.headers))
        except status.Status as ended:
            raise wire.from_status(ended) from ended


class AsyncConversation:
    """As callers.Conversation, awaited."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def send(self, request: Any) -> None:
        try:
            await self._stream.send(request)
        except status.Status as refused:
            raise wire.from_status(refused) from refused

    async def done_sending(self) -> None:
        try:
            await self._stream.done_sending()
        except status.Status as ended:
            raise wire.from_status(ended) from ended

    async def receive(self) -> Any:
        """The next answer, None at the end."""
        try:
            return await anext(self._stream, None)
        except status.Status as ended:
            raise wire.from_status(ended) from ended

    async def close(self) -> None:
        await self._stream.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        answer = await self.receive()
        if answer is None:
            raise StopAsyncIteration
        return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
