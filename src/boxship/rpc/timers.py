"""Deadlines: one thread runs callbacks when their time has come."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)
_SWEEP = 256  # canceled timers which may lie around before they are swept


class Timer:
    """A callback that waits. `cancel` may come from any thread, also after it has run."""

    __slots__ = ("callback", "owner")

    def __init__(self, owner: Timers, callback: Callable[[], None]) -> None:
        self.owner = owner
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self.owner._canceled()


class Timers:
    """Callbacks run in one thread and must not wait. The thread starts with the first timer."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._work = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._dead = 0
        self._closed = False

    def add(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run the callback at `when` on the clock of time.monotonic()."""
        timer = Timer(self, callback)
        with self._work:
            heapq.heappush(self._heap, (when, next(self._count), timer))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rpc-timers", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is timer:
                self._work.notify()
        return timer

    def close(self) -> None:
        with self._work:
            self._closed = True
            self._heap.clear()
            self._work.notify()

    def _canceled(self) -> None:
        with self._work:
            self._dead += 1
            if self._dead > _SWEEP and self._dead * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2].callback is not None]
                heapq.heapify(self._heap)
                self._dead = 0

    def _run(self) -> None:
        while not self._closed:
            callback = self._due()
            if callback is not None:
                try:
                    callback()
                except Exception:
                    _log.exception("a timer failed")

    def _due(self) -> Callable[[], None] | None:
        with self._work:
            if not self._heap:
                self._work.wait()
                return None
            rest = self._heap[0][0] - time.monotonic()
            if rest > 0:
                self._work.wait(min(rest, threading.TIMEOUT_MAX))
                return None
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._dead = max(0, self._dead - 1)
            return callback
