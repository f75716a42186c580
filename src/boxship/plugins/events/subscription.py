"""One listener's queue."""

import collections
import threading
from collections.abc import Callable, Iterator
from typing import Self

from boxship.core import events
from boxship.terms import errors

_OVERHEAD = 512
"""Bytes that an event takes in a queue beside its payload, roughly."""


class Subscription:
    """A bounded queue. Whoever fills it is not held up: the queue is thrown away and its reader told so."""

    def __init__(self, on_close: Callable[["Subscription"], None], *, limit: int) -> None:
        """`limit` is in bytes."""
        self._on_close = on_close
        self._limit = limit
        self._condition = threading.Condition()
        self._queue: collections.deque[events.Envelope] = collections.deque()
        self._size = 0
        self._lagged = False
        self._closed = False
        self._callback: Callable[[], None] | None = None

    def put(self, envelope: events.Envelope) -> None:
        cost = len(envelope.event.value) + _OVERHEAD
        with self._condition:
            if self._closed or self._lagged:
                return
            waking = not self._queue
            if self._size + cost > self._limit:
                self._lagged = waking = True
                self._queue.clear()
                self._size = 0
            else:
                self._queue.append(envelope)
                self._size += cost
            if waking:
                self._condition.notify_all()
            callback = self._callback if waking else None
        if self._lagged:
            self._on_close(self)
        if callback:
            callback()

    def poll(self) -> events.Envelope | None:
        with self._condition:
            return self._next()

    def on_ready(self, callback: Callable[[], None]) -> None:
        with self._condition:
            self._callback = callback
            ready = self._is_ready()
        if ready:
            callback()

    def close(self) -> None:
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._queue.clear()
            self._condition.notify_all()
            callback = self._callback
        self._on_close(self)
        if callback:
            callback()

    def __iter__(self) -> Iterator[events.Envelope]:
        return self

    def __next__(self) -> events.Envelope:
        with self._condition:
            while not self._is_ready():
                self._condition.wait()
            envelope = self._next()
        assert envelope is not None
        return envelope

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _is_ready(self) -> bool:
        return bool(self._queue) or self._closed or self._lagged

    def _next(self) -> events.Envelope | None:
        if self._closed:
            raise StopIteration
        if self._lagged:
            raise errors.ResourceExhausted("events were lost: the subscriber did not read fast enough")
        if not self._queue:
            return None
        envelope = self._queue.popleft()
        self._size -= len(envelope.event.value) + _OVERHEAD
        return envelope


_: type[events.Subscription] = Subscription
