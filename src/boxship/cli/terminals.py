"""The caller's terminal while a process inside a container uses it: raw keys, its size, its signals."""

import contextlib
import io
import os
import select
import signal
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from typing import BinaryIO, cast

from boxship.cli import world
from boxship.terms import errors

_END = b"\x04"
_AGAIN = 0.2
"""Seconds until the key for the end is pressed again."""
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


@contextlib.contextmanager
def raw(around: world.World) -> Iterator[None]:
    """Keys go through unread; the terminal is as before afterwards."""
    if not around.stdin.isatty():
        yield
        return
    descriptor = around.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it may be gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Typed(io.RawIOBase):
    """Input from a file or pipe for a process with a terminal: at its end comes the key for the end, again and again.

    A terminal itself has no end, and the process would wait for ever. Once is not enough: a shell that is still
    starting forgets what was typed, and whoever reads on at the end of a file finds the end again.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._ended = False
        self._in_line = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._ended:
            time.sleep(_AGAIN)
            return _END
        read = getattr(self._source, "read1", self._source.read)
        data: bytes = read(size)
        if data:
            self._in_line = not data.endswith(b"\n")
            return data
        self._ended = True
        return _END * (2 if self._in_line else 1)  # the first one ends what is left of a line


class Watched(io.RawIOBase):
    """Keys from a terminal, until those come by which somebody leaves, or the terminal goes: then `left` is done.

    After that a reader waits until `release`. The first of the keys are kept back until it is sure that they are not
    meant so, as with others.
    """

    def __init__(self, source: BinaryIO, leaving: bytes) -> None:
        self._source = source
        self._leaving = leaving
        self._kept = b""
        self._released = threading.Event()
        self.left: Future[None] = Future()

    def readable(self) -> bool:
        return True

    def release(self) -> None:
        self._released.set()

    def read(self, size: int = -1, /) -> bytes:
        while not self.left.done():
            data = self._typed(size)
            if passed := self._passed(data):
                return passed
        self._released.wait()
        return b""

    def _typed(self, size: int) -> bytes:
        """Nothing when there is no terminal any more: raw keys have no other end."""
        try:
            read = getattr(self._source, "read1", self._source.read)
            data: bytes = read(size)
        except OSError:
            data = b""
        if not data:
            leave(self.left)
        return data

    def _passed(self, data: bytes) -> bytes:
        """What goes on to the process."""
        data = self._kept + data
        if not self._leaving or not data:
            return data
        before, found, _ = data.partition(self._leaving)
        self._kept = b"" if found else self._beginning(before)
        if found:
            leave(self.left)
        return before.removesuffix(self._kept)

    def _beginning(self, data: bytes) -> bytes:
        """The longest end of what came with which the keys begin."""
        lengths = range(len(self._leaving) - 1, 0, -1)
        return next((self._leaving[:length] for length in lengths if data.endswith(self._leaving[:length])), b"")


def keys(around: world.World, *, terminal: bool, leaving: bytes = b"") -> BinaryIO:
    """What a process reads as its input. `leaving` are the keys that leave a terminal."""
    if not terminal:
        return around.input
    if not around.stdin.isatty():
        return cast("BinaryIO", Typed(around.input))
    return cast("BinaryIO", Watched(around.input, leaving))


def leave(left: "Future[None]") -> None:
    """Also when somebody else has it done."""
    with contextlib.suppress(InvalidStateError):
        left.set_result(None)


@contextlib.contextmanager
def leaving(around: world.World) -> Iterator[None]:
    """End this process by SIGPIPE, as others end, once nobody reads its output, even when it has nothing to write.

    So `boxship logs -f web | grep -m 1 ready` ends with the line that was waited for.
    """
    try:
        output = around.stdout.fileno()
    except OSError:  # it is kept in memory
        yield
        return
    waiting = select.poll()
    waiting.register(output, 0)  # errors and the end of a pipe are always told

    def watch() -> None:
        for _, event in waiting.poll():
            if event & select.POLLERR:
                os.kill(os.getpid(), signal.SIGPIPE)

    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    threading.Thread(target=watch, name="leaving", daemon=True).start()
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


def size(around: world.World) -> tuple[int, int] | None:
    """Columns and rows, or None where there is no terminal."""
    try:
        found = os.get_terminal_size(around.stdout.fileno())
    except (OSError, ValueError):
        return None
    return found.columns, found.lines


@contextlib.contextmanager
def following(numbers: tuple[signal.Signals, ...], act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` with each of these signals that comes, in a thread of its own.

    A handler of Python runs in the middle of whatever the main thread does, which may be a call on the same connection;
    and it does not run at all while that thread waits, if the signal came just before it began to. So the kernel's
    handler tells us through a pipe.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writing, False)

    def serve() -> None:
        with open(reading, "rb", buffering=0) as told:
            while (number := told.read(1)) not in {b"\0", b""}:
                if number[0] in numbers:
                    with contextlib.suppress(errors.Error):
                        act(number[0])

    before = {number: signal.signal(number, _nothing) for number in numbers}
    other = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=serve, name="signals", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(other)
        with contextlib.suppress(BlockingIOError):
            os.write(writing, b"\0")
        os.close(writing)


def _nothing(_: int, __: object) -> None:
    """A handler, so that the signal does not do what it does by default."""
