"""containerd.services.events.v1.Events, and its sibling for shims, containerd.services.events.ttrpc.v1.Events"""

from collections.abc import Callable

from boxship.api import empty_pb2, ttrpc_events_pb2, types_pb2
from boxship.api import events_pb2 as pb
from boxship.core import events
from boxship.rpc import calls, methods
from boxship.terms import errors
from boxship.wire import events as wire
from boxship.wire import headers, typed


class EventsService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Events"]

    def __init__(self, exchange: events.Exchange) -> None:
        self._exchange = exchange

    @methods.quick
    def Publish(self, request: pb.PublishRequest, call: calls.Call) -> empty_pb2.Empty:
        self._exchange.publish(headers.namespace(call.metadata), request.topic, typed.typed(request.event))
        return empty_pb2.Empty()

    @methods.quick
    def Forward(self, request: pb.ForwardRequest, call: calls.Call) -> empty_pb2.Empty:
        self._exchange.forward(wire.envelope(request.envelope))
        return empty_pb2.Empty()

    @methods.quick
    def Subscribe(self, request: pb.SubscribeRequest, call: calls.Call) -> calls.Feed:
        """Events of all namespaces; the call stays open without a thread."""
        try:
            return _Envelopes(self._exchange.subscribe(request.filters))
        except errors.InvalidArgument as error:  # containerd's words, and its class
            raise errors.Unknown(f"subscription error: {error}") from error


class TtrpcEventsService:
    SERVICE = ttrpc_events_pb2.DESCRIPTOR.services_by_name["Events"]

    def __init__(self, exchange: events.Forwarder) -> None:
        self._exchange = exchange

    @methods.quick
    def Forward(self, request: ttrpc_events_pb2.ForwardRequest, call: calls.Call) -> empty_pb2.Empty:
        self._exchange.forward(wire.envelope(request.envelope))
        return empty_pb2.Empty()


class _Envelopes:
    def __init__(self, subscription: events.Subscription) -> None:
        self._subscription = subscription

    def poll(self) -> types_pb2.Envelope | None:
        envelope = self._subscription.poll()
        return None if envelope is None else wire.envelope_message(envelope)

    def on_ready(self, callback: Callable[[], None]) -> None:
        self._subscription.on_ready(callback)

    def close(self) -> None:
        self._subscription.close()


_: type[calls.Feed] = _Envelopes
