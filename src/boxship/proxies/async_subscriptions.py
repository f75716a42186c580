"""Subscriptions, awaited: see `subscriptions`."""

from collections.abc import Coroutine
from typing import Any, Self

from boxship.core import events
from boxship.proxies import async_callers
from boxship.terms import errors
from boxship.wire import events as wire


class Subscription:
    """Events as they come, of all namespaces, from `async with` or the first one asked for. Closing ends it."""

    def __init__(self, opening: Coroutine[Any, Any, async_callers.AsyncConversation]) -> None:
        self._opening = opening
        self._conversation: async_callers.AsyncConversation | None = None
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        self._opening.close()
        if self._conversation is not None:
            await self._conversation.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> events.Envelope:
        if self._closed:
            raise StopAsyncIteration
        try:
            answer = await (await self._opened()).receive()
        except errors.Canceled:
            if self._closed:
                raise StopAsyncIteration from None
            raise
        if answer is None:
            raise StopAsyncIteration
        return wire.envelope(answer)

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _opened(self) -> async_callers.AsyncConversation:
        if self._conversation is None:
            self._conversation = await self._opening
        return self._conversation
