"""The caller's terminal while a process inside a container uses it: raw keys, its size, its signals."""

import contextlib
import os
import queue
import select
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
