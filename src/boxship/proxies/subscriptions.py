"""A subscription to the events of a daemon: iterated by a thread, or polled by whoever must not wait.

`async_subscriptions` is the same awaited; both are written by hand, since only threads poll.
"""

import collections
import threading
from collections.abc import Callable
from typing import Self

from boxship.core import events
from boxship.proxies import callers
from boxship.terms import errors
from boxship.wire import events as wire

_MOST = 1024  # events that wait here; more wait at the daemon, which counts them


class Subscription:
    """Events as they come, of all namespaces. Closing ends it, also from another thread."""

    def __init__(self, conversation: callers.Conversation) -> None:
        self._conversation = conversation
        self._changed = threading.Condition()
        self._waiting: collections.deque[events.Envelope] = collections.deque()
        self._end: BaseException | None = None
        self._ready: Callable[[], None] = lambda: None
        threading.Thread(target=self._receive, name="boxship-events", daemon=True).start()

    def poll(self) -> events.Envelope | None:
        with self._changed:
            return self._take()

    def on_ready(self, callback: Callable[[], None]) -> None:
        with self._changed:
            self._ready = callback
            something = bool(self._waiting or self._end)
        if something:
            callback()

    def close(self) -> None:
        with self._changed:
            self._end = StopIteration()
            self._waiting.clear()
            self._changed.notify_all()
        self._conversation.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> events.Envelope:
        with self._changed:
            while (found := self._take()) is None:
                self._changed.wait()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _take(self) -> events.Envelope | None:
        if self._waiting:
            self._changed.notify_all()
            return self._waiting.popleft()
        if self._end is not None:
            raise self._end
        return None

    def _receive(self) -> None:
        end: BaseException = StopIteration()
        try:
            for answer in self._conversation:
                self._put(wire.envelope(answer))
        except errors.Error as exc:
            end = exc
        with self._changed:
            self._end = self._end or end
            self._changed.notify_all()
        self._ready()

    def _put(self, envelope: events.Envelope) -> None:
        with self._changed:
            while len(self._waiting) >= _MOST and self._end is None:
                self._changed.wait()
            if self._end is None:
                self._waiting.append(envelope)
                self._changed.notify_all()
        self._ready()


_: type[events.Subscription] = Subscription
