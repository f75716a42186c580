"""The loop: descriptors that are ready, times that have come, children that have ended. One thread.

Everything else in the shim is a callback of it and must return soon.
"""

import contextlib
import heapq
import itertools
import logging
import os
import select
import signal
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)

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
        self._ready: dict[int, Ready] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._running = True

    def watch(self, fd: int, events: int, ready: Ready) -> None:
        """Call `ready` when one of the events is there, until `unwatch`. A watched descriptor may be changed."""
        if fd in self._ready:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._ready[fd] = ready

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

    def run(self) -> None:
        """A callback that fails is logged; what it was about is its owner's business."""
        while self._running:
            for fd, events in self._epoll.poll(self._timeout()):
                # An earlier callback of this round may have let go of it, and another may have taken its number: it
                # was registered after the poll, then, and reports nothing that is not so the next time.
                ready = self._ready.get(fd)
                if ready is not None:
                    _guarded(ready, events)
            self._run_timers()

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
                _guarded(timer.callback)


class Children:
    """The one who reaps. Children of ours and orphans that the kernel gave us alike; no other code may wait for any."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._watched: dict[int, Callable[[int], None]] = {}
        self._wake, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # The handler does nothing, but without one there is no wakeup; unlike "ignore" it does not pass an execve.
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        loop.watch(self._wake, IN, self._woken)

    def watch(self, pid: int, ended: Callable[[int], None]) -> None:
        """Call `ended` with the exit status (128 + n for signal n) when the child has ended, from the loop."""
        self._watched[pid] = ended
        # It may have ended before we knew of it, with its signal already seen.
        self._loop.later(0, self.reap)

    def forget(self, pid: int) -> None:
        """Somebody else has reaped it."""
        self._watched.pop(pid, None)

    def reap(self) -> None:
        """Collect all that have ended. One whose pid nobody watches is let go."""
        while (found := _ended()) is not None:
            pid, status = found
            ended = self._watched.pop(pid, None)
            if ended is not None:
                _guarded(ended, status)

    def _woken(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake, 4096):
                pass
        self.reap()


def _ended() -> tuple[int, int] | None:
    try:
        pid, raw = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status_of(raw)) if pid else None


def status_of(raw: int) -> int:
    """An exit status as clients know it from what waitpid(2) says."""
    code = os.waitstatus_to_exitcode(raw)
    return code if code >= 0 else 128 - code


def _nothing(_number: int, _frame: object) -> None:
    pass


def _guarded(callback: Callable[..., None], *arguments: int) -> None:
    try:
        callback(*arguments)
    except Exception:
        _log.exception("a callback failed")
