"""Staying with a process of a container: its output, its terminal, its signals, and its end."""

import contextlib
import signal
import threading

from boxship.cli import terminals, world
from boxship.client import outputs
from boxship.client._sync import processes
from boxship.terms import errors

_INTERRUPTS = 3
"""After so many the process is killed."""
_GRACE = 1.0
"""Seconds for a process to end once nobody reads what it writes."""


class Outputs:
    """Where a process's output goes: to the caller, until the caller has gone (as in `boxship run … | head -1`)."""

    def __init__(self, around: world.World) -> None:
        self._around = around
        self.deserted = threading.Event()

    def output(self, data: bytes) -> None:
        self._write(data, self._around.output)

    def errors(self, data: bytes) -> None:
        self._write(data, self._around.errors)

    def _write(self, data: bytes, write: outputs.Sink) -> None:
        if not self.deserted.is_set():
            try:
                write(data)
            except BrokenPipeError:
                self.deserted.set()


def stay(around: world.World, process: processes.Process, taken: Outputs, *, terminal: bool) -> int:
    """Until the process ends; returns its exit status. Signals go to the process, and so does the terminal's size.

    When nobody reads its output any more it gets SIGPIPE, as it would without a container around it, and is killed
    if it does not mind. Whoever interrupts it three times kills it.
    """
    ended = threading.Event()
    threading.Thread(target=_end_deserted, args=(process, taken, ended), name="deserted", daemon=True).start()
    try:
        return _wait(around, process, terminal=terminal)
    finally:
        ended.set()


def _wait(around: world.World, process: processes.Process, *, terminal: bool) -> int:
    if terminal and around.stdin.isatty():
        _resize(around, process)
        with terminals.raw(around), terminals.following((signal.SIGWINCH,), lambda _: _resize(around, process)):
            return process.wait()
    with terminals.following(terminals.FORWARDED, _Forwarder(around, process)):
        return process.wait()


class _Forwarder:
    """Passes signals on, and counts interrupts."""

    def __init__(self, around: world.World, process: processes.Process) -> None:
        self._around, self._process = around, process
        self._interrupts = 0

    def __call__(self, number: int) -> None:
        if number == signal.SIGINT:
            self._interrupts += 1
            if self._interrupts >= _INTERRUPTS:
                self._around.say("boxship: killing it, since it does not mind being interrupted")
                number = signal.SIGKILL
        self._process.kill(number)


def _end_deserted(process: processes.Process, taken: Outputs, ended: threading.Event) -> None:
    taken.deserted.wait()
    with contextlib.suppress(errors.Error):
        process.kill(signal.SIGPIPE)
        if not ended.wait(_GRACE):
            process.kill(signal.SIGKILL)


def _resize(around: world.World, process: processes.Process) -> None:
    if size := terminals.size(around):
        with contextlib.suppress(errors.Error):
            process.resize(*size)
