"""The thread that collects when the schedule says so."""

import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable
from typing import Self

from boxship.core import gc
from boxship.plugins.gc import schedule
from boxship.terms import errors

_log = logging.getLogger(__name__)


class Scheduler:
    """Collects in the background, and at once for whoever waits. A context manager.

    Everybody who asks before a collection begins gets that collection.
    """

    def __init__(
        self,
        collector: gc.Collector,
        config: schedule.Config | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds; who injects one calls `wake` after turning it."""
        self._collector = collector
        self._clock = clock
        self._condition = threading.Condition()
        self._schedule = schedule.Schedule(config or schedule.Config(), clock())
        self._waiters: list[concurrent.futures.Future[gc.Stats]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="gc", daemon=True)
        self._thread.start()

    def mutated(self, dirty: bool) -> None:
        """To be called after each write of the book; costs microseconds."""
        with self._condition:
            before = self._schedule.next
            self._schedule.mutated(self._clock(), dirty=dirty)
            if self._schedule.next != before:
                self._condition.notify_all()

    def collect(self) -> gc.Stats:
        """Collect and wait for the end. Raises what the collection raised; Unavailable after close."""
        return self.request().result()

    def request(self) -> concurrent.futures.Future[gc.Stats]:
        """Ask for a collection without waiting."""
        waiter: concurrent.futures.Future[gc.Stats] = concurrent.futures.Future()
        with self._condition:
            if self._closed:
                waiter.set_exception(errors.Unavailable("garbage collection has stopped"))
                return waiter
            self._waiters.append(waiter)
            self._schedule.requested(self._clock())
            self._condition.notify_all()
        return waiter

    def wake(self) -> None:
        """Look at the clock again."""
        with self._condition:
            self._condition.notify_all()

    def close(self) -> None:
        """Stop, after the collection that is under way."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._thread.join()
        for waiter in self._waiters:
            waiter.set_exception(errors.Unavailable("garbage collection has stopped"))
        self._waiters = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        while (waiters := self._wait()) is not None:
            try:
                stats = self._collector.collect()
            except Exception as exc:
                _log.exception("garbage collection failed")
                with self._condition:
                    self._schedule.failed(self._clock())
                for waiter in waiters:
                    waiter.set_exception(exc)
            else:
                with self._condition:
                    self._schedule.finished(self._clock(), stats.seconds)
                for waiter in waiters:
                    waiter.set_result(stats)

    def _wait(self) -> list[concurrent.futures.Future[gc.Stats]] | None:
        """Wait until a collection is due; who waits for it, or None at the end."""
        with self._condition:
            while not self._closed:
                now = self._clock()
                if self._schedule.is_due(now):
                    self._schedule.started()
                    waiters, self._waiters = self._waiters, []
                    return [waiter for waiter in waiters if waiter.set_running_or_notify_cancel()]
                due = self._schedule.next
                self._condition.wait(None if due is None else max(due - now, 0.0))
        return None


_: type[gc.Collector] = Scheduler
