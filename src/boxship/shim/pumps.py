"""Pumps carry bytes from one descriptor to another for as long as there are any.

A pump never waits: when the sink takes no more it stops reading, so that a slow reader slows its writer and nobody
else. Between pipes the kernel moves the pages (splice(2)) and nothing passes through here; otherwise at most one chunk
is held.
"""

import contextlib
import errno
import os
import select
import stat
from collections.abc import Callable, Mapping
from typing import Any

from boxship.shim.loop import IN, OUT, Loop

CHUNK = 64 * 1024
_TURNS = 16  # chunks moved before the others get their turn
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_GONE = {errno.EIO, errno.EPIPE, errno.EBADF, errno.ENXIO, errno.ECONNRESET}
"""EIO ends a terminal's master once nobody has its other side open; EPIPE a pipe that nobody reads."""


class Pump:
    """From `source` to `sink`, both of which it closes at the end, and then calls `done`, once."""

    def __init__(self, loop: Loop, source: int, sink: int, done: Callable[[], None]) -> None:
        self._loop, self._source, self._sink, self._done = loop, source, sink, done
        self._spliced = _is_pipe(source) and _is_pipe(sink)
        self._polled = not stat.S_ISREG(os.fstat(sink).st_mode)
        self._held = b""
        self._draining = False
        self._unpolled = False  # whether the source is one that epoll does not know
        self.ended = False
        os.set_blocking(source, False)
        if self._polled:
            os.set_blocking(sink, False)
        self._wait_for_source()

    def carry(self) -> None:
        """Move what is there now, not waiting for anything. A pump that fails has ended."""
        with contextlib.suppress(OSError):
            self._move()

    def drain(self) -> None:
        """End as soon as there is nothing left to read, though somebody may still hold the writing side."""
        if not self.ended:
            self._draining = True
            self._loop.later(0, self._move)

    def state(self) -> dict[str, Any]:
        """For `restore` of another pump between the same descriptors."""
        return {"source": self._source, "sink": self._sink, "held": self._held.hex(), "draining": self._draining}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._held, self._draining = bytes.fromhex(state["held"]), state["draining"]
        self._loop.later(0, self._move)

    def close(self) -> None:
        """End now, with what is on its way lost."""
        if not self.ended:
            self._end()

    def _move(self, _events: int = 0) -> None:
        if self.ended:
            return
        try:
            for _ in range(_TURNS):
                if not (self._splice() if self._spliced else self._copy()):
                    return
            # The others first; level triggered, so that we are called again.
            if self._draining or self._unpolled:
                self._loop.later(0, self._move)
        except OSError as error:
            if error.errno not in _GONE:
                self._end()
                raise
            self._end()

    def _splice(self) -> bool:
        """Move a chunk. False when there is nothing more to do for now."""
        try:
            moved = os.splice(self._source, self._sink, CHUNK, flags=_FLAGS)
        except BlockingIOError:
            # Either side may be meant; asking the source costs less than finding out how full the sink is.
            if _has_data(self._source):
                self._wait_for_sink()
            else:
                self._starve()
            return False
        if not moved:
            self._end()
        return bool(moved)

    def _copy(self) -> bool:
        if not self._held:
            try:
                self._held = os.read(self._source, CHUNK)
            except BlockingIOError:
                self._starve()
                return False
            if not self._held:
                self._end()
                return False
        try:
            self._held = self._held[os.write(self._sink, self._held) :]
        except BlockingIOError:
            self._wait_for_sink()
            return False
        return True

    def _starve(self) -> None:
        if self._draining:
            self._end()
        else:
            self._wait_for_source()

    def _wait_for_source(self) -> None:
        self._loop.unwatch(self._sink)
        try:
            self._loop.watch(self._source, IN, self._move)
        except PermissionError:  # epoll_ctl(2): a file, which keeps nobody waiting
            self._unpolled = True
            self._loop.later(0, self._move)

    def _wait_for_sink(self) -> None:
        self._loop.unwatch(self._source)
        if self._polled:
            self._loop.watch(self._sink, OUT, self._move)

    def _end(self) -> None:
        self.ended = True
        self._held = b""
        self._loop.unwatch(self._source)
        self._loop.unwatch(self._sink)
        os.close(self._source)
        os.close(self._sink)
        self._done()


def _is_pipe(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode)


def _has_data(fd: int) -> bool:
    """Whether a pipe has something to read, or has ended."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
