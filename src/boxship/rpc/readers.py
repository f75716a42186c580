"""Threads that read all connections of a server: one leads, and is replaced as soon as a call keeps it.

A thread per connection makes threads fight for the interpreter's lock with every system call: with ten busy connections
two thirds of the time goes there (docs/adr has the figures). So one thread waits for all of them (epoll(7)) and runs
quick handlers right there. A deputy looks every few milliseconds whether it still moves; when it does not, because a
handler waits after all, the deputy leads from there on and the old leader goes when its call is done. So one slow call
holds up its own connection only, as a thread per connection would.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Protocol

_log = logging.getLogger(__name__)

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT
GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_STREAM = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_TICK = 0.002  # seconds a call may keep the leader before the deputy notices
_QUIET = 50  # ticks without work after which the deputy sleeps
_REST = 1.0  # seconds that it then sleeps before it says that nothing is going on


class Source(Protocol):
    """What a descriptor belongs to."""

    def ready(self, events: int) -> None:
        """The descriptor is ready. May run in two threads at once. Must not wait for long, nor raise."""


class Readers:
    """Watches descriptors. Streams are told once per arrival (edge-triggered): read until there is no more."""

    def __init__(self, name: str, rested: Callable[[], object] | None = None) -> None:
        """`rested` is called when nothing has arrived for a second, once until something does; it may take some ms."""
        self._name = name
        self._rested = rested
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._sources: dict[int, Source] = {}
        self._ready: collections.deque[tuple[int, int]] = collections.deque()
        self._lock = threading.Lock()
        self._reign = 0  # counts leaders
        self._turns = 0  # counts what the leader has done
        self._busy = False
        self._asleep = False
        self._stir = threading.Event()
        self._closed = False
        self._start(self._lead_first)
        self._start(self._stand_by)

    def listen(self, descriptor: int, source: Source) -> None:
        """Tell the source as long as somebody knocks."""
        with self._lock:
            if not self._closed:
                self._sources[descriptor] = source
                self._epoll.register(descriptor, select.EPOLLIN)

    def add(self, descriptor: int, source: Source) -> None:
        """Tell the source when something arrives, also what is there already."""
        with self._lock:
            if not self._closed:
                self._sources[descriptor] = source
                self._epoll.register(descriptor, _STREAM)

    def want_room(self, descriptor: int, *, wanted: bool) -> None:
        """Tell the source also when a stream takes data again."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._epoll.modify(descriptor, _STREAM | (select.EPOLLOUT if wanted else 0))

    def again(self, descriptor: int, events: int) -> None:
        """Come back to this one after the others. For the thread which is in `ready`."""
        self._ready.append((descriptor, events))
        os.eventfd_write(self._wake, 1)

    def remove(self, descriptor: int) -> None:
        """Before the descriptor is closed."""
        with self._lock:
            if self._sources.pop(descriptor, None) is not None:
                with contextlib.suppress(OSError, ValueError):
                    self._epoll.unregister(descriptor)

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        os.eventfd_write(self._wake, 1)
        self._stir.set()

    # -- the leader --

    def _lead_first(self) -> None:
        self._lead(0)

    def _lead(self, reign: int) -> None:
        ready = self._ready
        while self._reign == reign and not self._closed:
            self._busy = False
            for found in self._epoll.poll():
                ready.append(found)
            self._busy = True
            if self._asleep:
                self._asleep = False
                self._stir.set()
            self._work(reign)
        if self._closed and self._reign == reign:
            self._release()

    def _work(self, reign: int) -> None:
        ready = self._ready
        while ready:
            try:
                descriptor, events = ready.popleft()
            except IndexError:
                return  # a leader on his way out has taken it
            self._turns += 1
            source = self._sources.get(descriptor)
            if source is None:
                if descriptor == self._wake and not self._closed:
                    with contextlib.suppress(BlockingIOError):
                        os.eventfd_read(self._wake)
                continue
            try:
                source.ready(events)
            except Exception:
                _log.exception("reading a connection failed")
            if self._reign != reign:
                return

    def _release(self) -> None:
        with self._lock:
            self._sources.clear()
            self._epoll.close()
            os.close(self._wake)

    # -- the deputy --

    def _stand_by(self) -> None:
        quiet = 0
        while not self._closed:
            turns = self._turns
            time.sleep(_TICK)
            if self._turns != turns:
                quiet = 0
            elif self._busy:
                self._take_over()
                return
            elif (quiet := quiet + 1) >= _QUIET:
                self._sleep()
                quiet = 0

    def _sleep(self) -> None:
        self._stir.clear()
        self._asleep = True
        if self._busy or self._closed:
            self._asleep = False
            return
        if self._rested is not None and not self._stir.wait(_REST) and not self._closed:
            try:
                self._rested()
            except Exception:
                _log.exception("what is done at rest failed")
        self._stir.wait()

    def _take_over(self) -> None:
        self._reign += 1
        reign = self._reign
        self._start(self._stand_by)
        # What the old leader has not come to is ours now.
        self._busy = True
        self._work(reign)
        self._lead(reign)

    def _start(self, task: Callable[[], None]) -> None:
        threading.Thread(target=task, name=self._name, daemon=True).start()
