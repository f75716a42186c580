"""Threads for handlers that wait: started when needed, reused while busy, gone when idle.

Two lanes. Calls that stream requests hold their thread until the client is done, so they have threads of their own:
however many uploads are open, other calls still find one.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)
_IDLE = 10.0  # seconds a thread waits for more work


class Full(Exception):
    """No thread is free and the queue has reached its limit."""


class Lane:
    """Threads, and a queue for what finds none free."""

    def __init__(self, *, threads: int, queued: int) -> None:
        self._threads = threads
        self._queued = queued
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._running = 0
        self._free = 0  # threads which wait for a task that is not yet in the queue
        self._closed = False

    def submit(self, task: Callable[[], None]) -> None:
        """Run the task in a thread. What it raises is logged. Raises Full."""
        with self._lock:
            starts = False
            if self._closed:
                raise Full
            if self._free > 0:
                self._free -= 1
            elif self._running < self._threads:
                self._running += 1
                starts = True
            elif self._tasks.qsize() >= self._queued:
                raise Full
            else:
                self._free -= 1
        self._tasks.put(task)
        if starts:
            threading.Thread(target=self._run, name="rpc-handler", daemon=True).start()

    def close(self) -> None:
        """Take no more tasks; threads end when they have done theirs."""
        with self._lock:
            self._closed = True
            waiting = self._running
        for _ in range(waiting):
            self._tasks.put(None)

    def _run(self) -> None:
        task: Callable[[], None] | None
        while (task := self._next()) is not None:
            try:
                task()
            except BaseException:
                _log.exception("a handler's thread failed")
            task = None  # hold nothing while idle
            with self._lock:
                self._free += 1

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._tasks.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._free > 0:
                        self._free -= 1
                        self._running -= 1
                        return None


class Pool:
    def __init__(self, *, threads: int = 64, long_threads: int = 192, queued: int = 4096) -> None:
        self._short = Lane(threads=threads, queued=queued)
        self._long = Lane(threads=long_threads, queued=queued)

    def submit(self, task: Callable[[], None], *, long: bool = False) -> None:
        """Run the task; `long` when it may stay as long as a client likes. Raises Full."""
        (self._long if long else self._short).submit(task)

    def close(self) -> None:
        self._short.close()
        self._long.close()
