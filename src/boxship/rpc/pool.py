"""Threads for handlers that wait: started when needed, reused while busy, gone when idle.

Two lanes. Calls that stream requests hold their thread until the client is done, so they have a limit of their own
below that of all threads: however many uploads are open, other calls still find a thread.
"""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)
_IDLE = 10.0  # seconds a thread waits for more work


class Full(Exception):
    """No thread is free and the queue has reached its limit."""


class Pool:
    def __init__(self, *, threads: int = 256, long_threads: int = 192, queue: int = 4096) -> None:
        self._threads = threads
        self._long_threads = long_threads
        self._queue = queue
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._short: collections.deque[Callable[[], None]] = collections.deque()
        self._long: collections.deque[Callable[[], None]] = collections.deque()
        self._running = 0
        self._running_long = 0
        self._idle = 0
        self._closed = False

    def submit(self, task: Callable[[], None], *, long: bool = False) -> None:
        """Run the task in a thread. A task should not raise; what it raises is logged. Raises Full."""
        with self._lock:
            lane = self._long if long else self._short
            if self._closed or len(lane) >= self._queue:
                raise Full
            lane.append(task)
            waiting = len(self._short) + min(len(self._long), self._long_threads - self._running_long)
            if self._idle >= waiting:
                self._work.notify()
                return
            if self._running >= self._threads or (long and self._running_long >= self._long_threads):
                return
            self._running += 1
        threading.Thread(target=self._run, name="rpc-handler", daemon=True).start()

    def close(self) -> None:
        """Take no more tasks; idle threads end."""
        with self._lock:
            self._closed = True
            self._work.notify_all()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            task, long = found
            try:
                task()
            except BaseException:
                _log.exception("a handler's thread failed")
            task = None  # type: ignore[assignment]  # hold nothing while idle
            if long:
                with self._lock:
                    self._running_long -= 1
            del found

    def _next(self) -> tuple[Callable[[], None], bool] | None:
        with self._lock:
            while True:
                if self._short:
                    return self._short.popleft(), False
                if self._long and self._running_long < self._long_threads:
                    self._running_long += 1
                    return self._long.popleft(), True
                self._idle += 1
                woken = not self._closed and self._work.wait(_IDLE)
                self._idle -= 1
                if not woken and not self._short and not (self._long and self._running_long < self._long_threads):
                    self._running -= 1
                    return None
