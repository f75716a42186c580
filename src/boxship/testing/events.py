"""Whoever passes events on passes this: the exchange, the wire, a foreign daemon."""

import dataclasses
import threading
import time

import pytest

from boxship.core import events
from boxship.terms import errors
from boxship.terms.typed import TypedBytes

_PATIENCE = 10.0


def deleted(id: str) -> events.Event:
    return events.Event(name="containerd.events.ContainerDelete", fields={"id": id})


def take(subscription: events.Subscription, count: int) -> list[events.Envelope]:
    """That many events, read as they come; fails when they do not come in time."""
    found: list[events.Envelope] = []
    ready = threading.Event()
    subscription.on_ready(ready.set)
    deadline = time.monotonic() + _PATIENCE
    while len(found) < count:
        envelope = subscription.poll()
        if envelope is not None:
            found.append(envelope)
        elif ready.wait(max(0.0, deadline - time.monotonic())):
            ready.clear()
        else:
            pytest.fail(f"{len(found)} of {count} events came within {_PATIENCE:.0f} s")
    return found


class EventsSuite:
    """Override `exchange`."""

    @pytest.fixture
    def exchange(self) -> events.Exchange:
        raise NotImplementedError

    def test_what_is_said_is_heard_in_order(self, exchange: events.Exchange) -> None:
        with exchange.subscribe() as one, exchange.subscribe() as two:
            for number in range(20):
                exchange.publish("suite", "/containers/delete", deleted(f"c{number}"))
            heard, again = take(one, 20), take(two, 20)
        assert heard == again
        assert {(each.namespace, each.topic, each.event.name) for each in heard} == {
            ("suite", "/containers/delete", "containerd.events.ContainerDelete")
        }
        assert len({each.event.value for each in heard}) == 20
        assert all(each.timestamp for each in heard)

    def test_nothing_is_said_twice(self, exchange: events.Exchange) -> None:
        exchange.publish("suite", "/containers/delete", deleted("before"))
        with exchange.subscribe() as subscription:
            exchange.publish("suite", "/containers/delete", deleted("after"))
            (heard,) = take(subscription, 1)
            assert b"after" in heard.event.value
            assert subscription.poll() is None

    def test_bytes_go_through_as_they_are(self, exchange: events.Exchange) -> None:
        payload = TypedBytes(type_url="example.Unknown", value=bytes(range(256)))
        with exchange.subscribe() as subscription:
            exchange.publish("suite", "/example/unknown", payload)
            assert take(subscription, 1)[0].event == payload

    def test_forwarding_keeps_the_time(self, exchange: events.Exchange) -> None:
        payload = TypedBytes(type_url="example.Unknown", value=b"x")
        envelope = events.Envelope(
            timestamp=1_500_000_000_123_456_789, namespace="suite", topic="/a/b-c", event=payload
        )
        with exchange.subscribe() as subscription:
            exchange.forward(envelope)
            assert take(subscription, 1) == [envelope]

    @pytest.mark.parametrize(
        ("filters", "heard"),
        [
            (["namespace==one"], ["a", "c"]),
            (['topic=="/tasks/delete"'], ["c"]),
            (["topic~=|^/containers/|"], ["a", "b"]),
            (["namespace==one,topic~=|^/containers/|"], ["a"]),
            (["event.id==b", "event.id==c"], ["b", "c"]),
            (["event.id"], ["a", "b", "c"]),
            (["event.nonsense"], []),
            (["namespace!=one"], ["b"]),
        ],
    )
    def test_filters(self, exchange: events.Exchange, filters: list[str], heard: list[str]) -> None:
        with exchange.subscribe(filters) as subscription, exchange.subscribe() as all_:
            exchange.publish("one", "/containers/delete", deleted("a"))
            exchange.publish("two", "/containers/delete", deleted("b"))
            exchange.publish("one", "/tasks/delete", deleted("c"))
            found = take(all_, 3)
            values = {name: envelope.event.value for name, envelope in zip("abc", found, strict=True)}
            assert [each.event.value for each in take(subscription, len(heard))] == [values[name] for name in heard]
            assert subscription.poll() is None

    def test_bad_filters(self, exchange: events.Exchange) -> None:
        # containerd does not tell the class over the wire
        with pytest.raises((errors.InvalidArgument, errors.Unknown)), exchange.subscribe(["topic=="]) as subscription:
            next(subscription)

    @pytest.mark.parametrize(
        ("topic", "said"),
        [
            ("", "must not be empty"),
            ("a/b", "must start with '/'"),
            ("/", "must have at least one component"),
            ("/a//b", "failed validation on component"),
            ("/a b", "failed validation on component"),
        ],
    )
    def test_topics_are_paths(self, exchange: events.Exchange, topic: str, said: str) -> None:
        envelope = events.Envelope(
            timestamp=1, namespace="suite", topic=topic, event=TypedBytes(type_url="x", value=b"")
        )
        with pytest.raises(errors.InvalidArgument, match=f'envelope topic "{topic}": {said}'):
            exchange.publish("suite", topic, deleted("a"))
        with pytest.raises(errors.InvalidArgument, match=f'envelope topic "{topic}": {said}'):
            exchange.forward(envelope)

    def test_an_envelope_is_complete(self, exchange: events.Exchange) -> None:
        payload = TypedBytes(type_url="x", value=b"")
        whole = events.Envelope(timestamp=1, namespace="suite", topic="/a", event=payload)
        with pytest.raises(errors.InvalidArgument, match="event envelope has invalid namespace"):
            exchange.forward(dataclasses.replace(whole, namespace="a b"))
        with pytest.raises(errors.InvalidArgument, match="timestamp must be set on forwarded event"):
            exchange.forward(dataclasses.replace(whole, timestamp=0))

    def test_a_callback_tells_that_something_is_there(self, exchange: events.Exchange) -> None:
        ready = threading.Event()
        with exchange.subscribe() as subscription:
            subscription.on_ready(ready.set)
            assert subscription.poll() is None
            ready.clear()
            exchange.publish("suite", "/containers/delete", deleted("a"))
            assert ready.wait(_PATIENCE)
            assert subscription.poll() is not None
            assert subscription.poll() is None

    def test_closing_ends_it(self, exchange: events.Exchange) -> None:
        subscription = exchange.subscribe()
        ended = threading.Event()

        def read() -> None:
            for _ in subscription:
                pass
            ended.set()

        reader = threading.Thread(target=read)
        reader.start()
        subscription.close()
        assert ended.wait(_PATIENCE)
        reader.join()
        with pytest.raises(StopIteration):
            subscription.poll()
        subscription.close()
        exchange.publish("suite", "/containers/delete", deleted("a"))
