"""containerd.services.events.v1.Events"""

from collections.abc import Sequence

from boxship.api import events_pb2 as pb
from boxship.core import events
from boxship.proxies import async_callers, async_subscriptions
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

    def subscribe(self, filters: Sequence[str] = ()) -> async_subscriptions.Subscription:
        """Errors of the filters come with the first event that is asked for."""
        return async_subscriptions.Subscription(
            self._caller.stream(_METHODS["Subscribe"], pb.SubscribeRequest(filters=filters))
        )
