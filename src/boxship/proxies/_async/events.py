"""containerd.services.events.v1.Events"""

from collections.abc import Sequence
from typing import Self

from boxship.api import events_pb2 as pb
from boxship.core import events
from boxship.proxies import async_callers
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import events as wire
from boxship.wire import methods, typed

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Events"])


class EventsProxy:
    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def publish(self, namespace: str, topic: str, event: events.Event | TypedBytes) -> None:
        request = pb.PublishRequest(topic=topic, event=typed.message(wire.encode(event)))
        await self._caller.bind(namespace).call(_METHODS["Publish"], request)

    async def forward(self, envelope: events.Envelope) -> None:
        await self._caller.call(_METHODS["Forward"], pb.ForwardRequest(envelope=wire.envelope_message(envelope)))

    def subscribe(self, filters: Sequence[str] = ()) -> "Subscription":
        """Errors of the filters come with the first event that is asked for."""
        return Subscription(self._caller.stream(_METHODS["Subscribe"], pb.SubscribeRequest(filters=filters)))


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
