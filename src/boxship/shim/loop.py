"""The loop: descriptors that are ready, and times that have come. One thread.

Everything else in the shim is a callback of it and must return soon.
"""

import contextlib
import heapq
import itertools
import select
import time
from collections.abc import Callable

from boxship.shim import journal

IN, OUT = select.EPOLLIN, select.EPOLLOUT
Ready = Callable[[int], None]
"""Called with the epoll events of a descriptor; EPOLLHUP and EPOLLERR come unasked, see epoll_ctl(2)."""


class Timer:
    """A callback that is due. `cancel` it, or it runs once."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Loop:
    """Runs until `stop`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, tuple[int, Ready]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._running = True

    def watch(self, fd: int, events: int, ready: Ready) -> None:
        """Call `ready` when one of the events is there, until `unwatch`. A watched descriptor may be changed."""
        if fd in self._ready:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._ready[fd] = (events, ready)

    def unwatch(self, fd: int) -> None:
        """Do it before the descriptor is closed. Unknown ones are passed over."""
        if self._ready.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call once, when so many seconds have gone by."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def stop(self) -> None:
        """Return from `run` after the callbacks that are due now."""
        self._running = False

    @property
    def watched(self) -> list[tuple[int, int]]:
        """Descriptors and the events that are waited for."""
        return [(fd, events) for fd, (events, _) in self._ready.items()]

    def run(self, *, rest: float | None = None, rested: Callable[[], None] = lambda: None) -> None:
        """A callback that fails is logged; what it was about is its owner's business.

        Args:
            rest: seconds without anything to do, now or at a time to come.
            rested: called after them; once, and anew after something has happened.
        """
        awake = True
        while self._running:
            timeout = self._timeout()
            idle = timeout is None
            ready = self._epoll.poll(rest if idle and awake else timeout)
            for fd, events in ready:
                # An earlier callback of this round may have let go of it, and another may have taken its number: it
                # was registered after the poll, then, and reports nothing that is not so the next time.
                if fd in self._ready:
                    guarded(self._ready[fd][1], events)
            self._run_timers()
            if ready or not idle:
                awake = True
            elif awake:
                awake = False
                rested()

    def close(self) -> None:
        self._epoll.close()

    def _timeout(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is not None:
                guarded(timer.callback)


def guarded(callback: Callable[..., None], *arguments: int) -> None:
    """Call it; what it raises goes to the log."""
    try:
        callback(*arguments)
    except Exception:
        journal.exception("a callback failed")
