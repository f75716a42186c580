"""Subscriptions, awaited: see `subscriptions`."""

from typing import Self

from boxship.core import events
from boxship.proxies import async_callers
from boxship.terms import errors
from boxship.wire import events as wire


class Subscription:
    """Events as they come, of all namespaces. Closing ends it, also from elsewhere."""

    def __init__(self, conversation: async_callers.AsyncConversation) -> None:
        self._conversation = conversation
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        await self._conversation.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> events.Envelope:
        try:
            answer = await self._conversation.receive()
        except errors.Canceled:
            if self._closed:
                raise StopAsyncIteration from None
            raise
        if answer is None:
            raise StopAsyncIteration
        return wire.envelope(answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
