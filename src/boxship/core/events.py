"""Events: what happened, told to whoever listens.

An event is published under a topic (`/tasks/start`) in a namespace and reaches every subscription whose filters
match. There is no replay. A subscription's queue is bounded: who does not read for too long is told so by an error
and loses the subscription, never the daemon's memory.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from boxship.terms import errors, identifiers
from boxship.terms.typed import TypedBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What implementations say: `fields` by the names of the message `containerd.events.<name>`; wire makes it one.

    `name` is the full name of the message, such as `containerd.events.ContainerCreate`.
    """

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event on its way. `timestamp` is nanoseconds since the epoch."""

    timestamp: int
    namespace: str
    topic: str
    event: TypedBytes


class Publisher(Protocol):
    def publish(self, namespace: str, topic: str, event: Event | TypedBytes) -> None:
        """Tell everybody. Raises InvalidArgument for a topic that is no `/path`, or a bad namespace."""


class Forwarder(Protocol):
    def forward(self, envelope: Envelope) -> None:
        """Pass an event on as it is. Raises InvalidArgument when it is incomplete."""


class Subscription(Protocol):
    """Events as they come. Iterating blocks; `poll` with `on_ready` does not. Closing ends it."""

    def poll(self) -> Envelope | None:
        """The next event, or None when none is there now.

        Raises:
            StopIteration: it was closed.
            ResourceExhausted: events were lost because nobody read (the queue is bounded).
        """

    def on_ready(self, callback: Callable[[], None]) -> None:
        """`callback` runs, in any thread, when `poll` may have something again."""

    def close(self) -> None: ...

    def __iter__(self) -> Iterator[Envelope]: ...

    def __next__(self) -> Envelope: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Subscriber(Protocol):
    def subscribe(self, filters: Sequence[str] = ()) -> Subscription:
        """Raises InvalidArgument for a bad filter."""


class Exchange(Publisher, Forwarder, Subscriber, Protocol):
    """All of it."""


def check_topic(topic: str) -> None:
    """Raises InvalidArgument unless the topic is a `/` and identifiers between slashes (containerd events/exchange)."""
    if fault := _fault(topic):
        raise errors.InvalidArgument(f"envelope topic {json.dumps(topic[:200], ensure_ascii=False)}: {fault}")


def _fault(topic: str) -> str:
    if not topic:
        return "must not be empty"
    if not topic.startswith("/"):
        return "must start with '/'"
    if topic == "/":
        return "must have at least one component"
    for part in topic.removeprefix("/").split("/"):
        try:
            identifiers.validate(part)
        except errors.InvalidArgument as exc:
            return f"failed validation on component {json.dumps(part[:200], ensure_ascii=False)}: {exc.message}"
    return ""
