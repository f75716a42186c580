import threading

import pytest

from boxship.core import events
from boxship.plugins.events import envelopes, exchange
from boxship.terms import errors
from boxship.terms.typed import TypedBytes

EVENT = events.Event(name="x.Y", fields={"id": "a", "labels": {"k.v": "1"}, "runtime": {"name": "r"}, "pid": 7})


class Counting:
    """An encoder and decoder that count how often they are asked."""

    def __init__(self):
        self.encoded = self.decoded = 0

    def encode(self, event):
        self.encoded += 1
        return TypedBytes(type_url=event.name, value=b"x" * 100)

    def fields(self, payload):
        self.decoded += 1
        if payload.type_url != "x.Y":
            raise errors.NotFound(payload.type_url)
        return {"id": "decoded"}


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def made(counting):
    return exchange.Exchange(encode=counting.encode, fields=counting.fields, clock=lambda: 42, limit=10_000)


def test_nothing_is_encoded_for_nobody(made, counting):
    made.publish("ns", "/a", EVENT)
    with made.subscribe(["topic==x"]):
        made.publish("ns", "/a", EVENT)
    assert counting.encoded == 0


def test_it_is_encoded_once_for_all(made, counting):
    with made.subscribe() as one, made.subscribe(["event.id==a"]) as two:
        made.publish("ns", "/a", EVENT)
        assert one.poll() is two.poll()
    assert (counting.encoded, counting.decoded) == (1, 0)


def test_bytes_are_decoded_once_and_only_for_their_fields(made, counting):
    payload = TypedBytes(type_url="x.Y", value=b"")
    with made.subscribe(["event.id==decoded"]) as one, made.subscribe(["event.id!=other"]) as two, made.subscribe():
        made.publish("ns", "/a", payload)
        assert one.poll() == two.poll() == events.Envelope(timestamp=42, namespace="ns", topic="/a", event=payload)
    assert counting.decoded == 1


def test_an_unknown_type_has_no_fields(made):
    with made.subscribe(["event.id"]) as subscription, made.subscribe() as other:
        made.publish("ns", "/a", TypedBytes(type_url="z", value=b""))
        assert subscription.poll() is None
        assert other.poll() is not None


def test_who_lags_loses_the_subscription_and_nobody_else(made):
    slow, quick = made.subscribe(), made.subscribe()
    woken = []
    slow.on_ready(lambda: woken.append(1))
    for _ in range(100):
        made.publish("ns", "/a", EVENT)
        assert quick.poll() is not None
    assert len(woken) == 2  # something is there, and: it is over
    for _ in range(2):
        with pytest.raises(errors.ResourceExhausted, match="did not read fast enough"):
            slow.poll()
    with pytest.raises(errors.ResourceExhausted):
        next(slow)
    assert len(slow._queue) == 0
    assert len(made._listeners) == 1
    slow.close()
    with pytest.raises(StopIteration):
        slow.poll()


def test_one_that_is_read_never_lags(made):
    subscription = made.subscribe()
    for _ in range(10):
        for _ in range(16):
            made.publish("ns", "/a", EVENT)
        assert sum(1 for _ in iter(subscription.poll, None)) == 16


def test_closed_ones_are_forgotten(made):
    for _ in range(3):
        with made.subscribe():
            pass
    assert made._listeners == ()
    left = [made.subscribe(), made.subscribe()]
    made.close()
    assert made._listeners == ()
    assert all(list(each) == [] for each in left)


def test_a_callback_is_told_at_once_of_what_waits(made):
    subscription = made.subscribe()
    made.publish("ns", "/a", EVENT)
    woken = []
    subscription.on_ready(lambda: woken.append(1))
    assert woken == [1]
    made.publish("ns", "/a", EVENT)
    assert woken == [1]
    subscription.close()
    assert woken == [1, 1]


def test_bad_names_are_refused_each_time(made):
    for _ in range(2):
        with pytest.raises(errors.InvalidArgument, match="failed publishing event: identifier"):
            made.publish("", "/a", EVENT)
        with pytest.raises(errors.InvalidArgument, match="envelope topic"):
            made.publish("ns", "a", EVENT)


def test_bad_filters_name_themselves(made):
    with pytest.raises(errors.InvalidArgument, match="failed parsing subscription filters: filters: parse error"):
        made.subscribe(["a=="])


def test_remembered_names_are_bounded(made):
    for number in range(3000):
        made.publish("ns", f"/a/{number}", EVENT)
    assert len(made._checked) <= 1024


def test_many_threads(counting):
    big = exchange.Exchange(encode=counting.encode, fields=counting.fields)
    subscription = big.subscribe()
    heard = []

    def read():
        for envelope in subscription:
            heard.append(envelope.topic)
            if len(heard) == 1200:
                return

    def publish(who):
        for number in range(300):
            big.publish("ns", f"/w{who}/{number}", EVENT)

    threads = [threading.Thread(target=publish, args=(who,)) for who in range(4)]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    for who in range(4):
        assert [topic for topic in heard if topic.startswith(f"/w{who}/")] == [f"/w{who}/{n}" for n in range(300)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["id"], "a"),
        (["labels", "k", "v"], "1"),
        (["labels", "k.v"], "1"),
        (["runtime", "name"], "r"),
        (["runtime"], None),
        (["pid"], None),
        (["id", "x"], None),
        (["none"], None),
        ([], None),
    ],
)
def test_values_of_a_payload(path, value):
    assert envelopes.value_at(EVENT.fields, path) == value
