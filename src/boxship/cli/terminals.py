"""The caller's terminal while a process inside a container uses it: raw keys, its size, its signals."""

import contextlib
import os
import queue
import signal
import termios
import threading
import tty
from collections.abc import Callable, Iterator

from boxship.cli import world
from boxship.terms import errors

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
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


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

    A handler runs in the middle of whatever the main thread does, which may be a call on the same connection.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()

    def serve() -> None:
        while number := waiting.get():
            with contextlib.suppress(errors.Error):
                act(number)

    before = {number: signal.signal(number, lambda number, _: waiting.put(number)) for number in numbers}
    thread = threading.Thread(target=serve, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        waiting.put(0)
