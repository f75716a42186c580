"""From whoever says something to whoever listens."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from boxship.core import events
from boxship.plugins.events import envelopes, subscription
from boxship.terms import errors, filters, identifiers
from boxship.terms.typed import TypedBytes

LIMIT = 24 * 1024 * 1024
"""Bytes that may wait for one subscriber."""

_MOST_TOPICS = 1024

Encode = Callable[[events.Event], TypedBytes]
Fields = Callable[[TypedBytes], Mapping[str, Any]]


class Exchange:
    """Told in the thread that publishes: a subscriber's queue takes it at once or is given up.

    An event becomes bytes when the first subscriber wants it, so that what nobody hears costs microseconds.
    """

    def __init__(
        self,
        *,
        encode: Encode,
        fields: Fields,
        clock: Callable[[], int] = time.time_ns,
        limit: int = LIMIT,
    ) -> None:
        """`encode` makes the payload of an event; `fields` reads one, or raises errors.Error for an unknown type."""
        self._encode = encode
        self._fields = fields
        self._clock = clock
        self._limit = limit
        self._lock = threading.Lock()
        self._listeners: tuple[tuple[subscription.Subscription, filters.Filter], ...] = ()
        self._checked: set[tuple[str, str]] = set()

    def publish(self, namespace: str, topic: str, event: events.Event | TypedBytes) -> None:
        if (namespace, topic) not in self._checked:
            self._check(namespace, topic)
        if self._listeners:
            self._tell(_Telling(self, namespace, topic, event))

    def forward(self, envelope: events.Envelope) -> None:
        envelopes.check(envelope)
        if self._listeners:
            telling = _Telling(self, envelope.namespace, envelope.topic, envelope.event)
            telling.made = envelope
            self._tell(telling)

    def subscribe(self, filters: Sequence[str] = ()) -> subscription.Subscription:
        wanted = _parsed(filters)
        made = subscription.Subscription(self._drop, limit=self._limit)
        with self._lock:
            self._listeners = (*self._listeners, (made, wanted))
        return made

    def close(self) -> None:
        """End all subscriptions."""
        for listener, _ in self._listeners:
            listener.close()

    def _check(self, namespace: str, topic: str) -> None:
        try:
            identifiers.validate(namespace)
        except errors.InvalidArgument as exc:
            raise errors.InvalidArgument(f"failed publishing event: {exc.message}") from exc
        events.check_topic(topic)
        if len(self._checked) >= _MOST_TOPICS:
            self._checked.clear()
        self._checked.add((namespace, topic))

    def _tell(self, telling: "_Telling") -> None:
        for listener, wanted in self._listeners:
            if wanted is filters.EVERYTHING or wanted.matches(telling.field):
                listener.put(telling.envelope())

    def _drop(self, gone: subscription.Subscription) -> None:
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each[0] is not gone)


def _parsed(texts: Sequence[str]) -> filters.Filter:
    try:
        return filters.parse_all(texts)
    except errors.InvalidArgument as exc:
        raise errors.InvalidArgument(f"failed parsing subscription filters: {exc.message}") from exc


class _Telling:
    """An event while it is told: its bytes and its fields are made once, and only if somebody asks."""

    __slots__ = ("_event", "_exchange", "_fields", "_namespace", "_topic", "made")

    def __init__(self, exchange: Exchange, namespace: str, topic: str, event: events.Event | TypedBytes) -> None:
        self._exchange = exchange
        self._namespace = namespace
        self._topic = topic
        self._event = event
        self._fields: Mapping[str, Any] | None = None
        self.made: events.Envelope | None = None

    def envelope(self) -> events.Envelope:
        if self.made is None:
            event = self._event
            self.made = events.Envelope(
                timestamp=self._exchange._clock(),
                namespace=self._namespace,
                topic=self._topic,
                event=event if isinstance(event, TypedBytes) else self._exchange._encode(event),
            )
        return self.made

    def field(self, path: Sequence[str]) -> str | None:
        match path:
            case ["namespace", *_]:
                return self._namespace or None
            case ["topic", *_]:
                return self._topic or None
            case ["event", *rest]:
                return envelopes.value_at(self._payload(), rest)
        return None

    def _payload(self) -> Mapping[str, Any]:
        if self._fields is None:
            event = self._event
            if isinstance(event, events.Event):
                self._fields = event.fields
            else:
                try:
                    self._fields = self._exchange._fields(event)
                except errors.Error:  # of a type that nobody here knows: it has no fields to ask for
                    self._fields = {}
        return self._fields


_: type[events.Exchange] = Exchange
