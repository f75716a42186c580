"""The one who reaps: children of this process, and orphans that the kernel gave us, alike."""

import _socket
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

from boxship.linux import bare
from boxship.shim import loop

Ended = Callable[[int, int], None]
"""Called with the exit status (128 + n for signal n) and the time, in nanoseconds since the epoch."""
_REPORT_LIMIT = 256


class Children:
    """No other code in the process may wait for any child but those that it has born itself."""

    def __init__(self, events: loop.Loop, reports: _socket.socket | None = None) -> None:
        """`reports`: where the process that we work for tells of its children (`sleeper.report`)."""
        self._loop, self._reports = events, reports
        self._watched: dict[int, Ended] = {}
        self._wake = bare.wakeup()
        events.watch(self._wake, loop.IN, self._woken)
        if reports is not None:
            events.watch(reports.fileno(), loop.IN, self._reported)

    @property
    def pids(self) -> list[int]:
        """Whose end somebody waits for."""
        return [*self._watched]

    def owns(self, fd: int) -> bool:
        """Whether a descriptor goes with us."""
        return fd == self._wake

    def watch(self, pid: int, ended: Ended) -> None:
        """Call `ended` when the process has ended, from the loop."""
        self._watched[pid] = ended
        # It may have ended before we knew of it, with its signal already seen.
        self._loop.later(0, self.reap)

    def unwatch(self, pid: int) -> None:
        """Call nobody when it ends."""
        self._watched.pop(pid, None)

    def reap(self) -> None:
        """Collect all that have ended. One whose pid nobody watches is let go."""
        for pid, status in _ended():
            self._tell(pid, status_of(status), time.time_ns())

    def close(self) -> None:
        """Let go of our descriptors."""
        self._loop.unwatch(self._wake)
        os.close(signal.set_wakeup_fd(-1))
        os.close(self._wake)

    def _tell(self, pid: int, status: int, at: int) -> None:
        ended = self._watched.pop(pid, None)
        if ended is not None:
            loop.guarded(ended, status, at)

    def _woken(self, _events: int) -> None:
        os.read(self._wake, 4096)
        self.reap()

    def _reported(self, _events: int) -> None:
        assert self._reports is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                pid, status, at = map(int, self._reports.recv(_REPORT_LIMIT, socket.MSG_DONTWAIT).split())
                self._tell(pid, status_of(status), at)


def status_of(raw: int) -> int:
    """An exit status as clients know it from what waitpid(2) says."""
    code = os.waitstatus_to_exitcode(raw)
    return code if code >= 0 else 128 - code


def _ended() -> Iterator[tuple[int, int]]:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found
