"""Staying with a process of a container: its output, its terminal, its signals, and its end."""

import contextlib
import signal
import threading
from collections.abc import Callable

from boxship.cli import terminals, world
from boxship.cli.session import Session
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


def run(session: Session, start: Callable[[Outputs], processes.Process], *, terminal: bool) -> int:
    """Start a process and stay until it ends; returns its exit status.

    Signals go to the process, those too that came while it was starting, and so does the terminal's size. When nobody
    reads its output any more it gets SIGPIPE, as it would without a container around it, and is killed if it does not
    mind. Whoever interrupts it three times kills it. A daemon that restarts meanwhile is waited for.
    """
    around = session.around
    taken = Outputs(around)
    if terminal and around.stdin.isatty():
        follower = _Follower(lambda process, _: _resize(session, process))
        numbers: tuple[signal.Signals, ...] = (signal.SIGWINCH,)
        keys: contextlib.AbstractContextManager[None] = terminals.raw(around)
    else:
        follower, numbers, keys = _Follower(_Forwarder(session)), terminals.FORWARDED, contextlib.nullcontext()
    with keys, terminals.following(numbers, follower):
        process = start(taken)
        follower.know(process)
        ended = threading.Event()
        threading.Thread(
            target=_end_deserted, args=(session, process, taken, ended), name="deserted", daemon=True
        ).start()
        try:
            return _end_of(session, process)
        finally:
            ended.set()
            _let_go(session, process)


def _end_of(session: Session, process: processes.Process) -> int:
    try:
        return process.wait()
    except errors.Unavailable:
        process.know(session.patiently(lambda client: client.tasks.wait(process.container_id, process.id).result()))
        return process.wait()


def _let_go(session: Session, process: processes.Process) -> None:
    """Of the streams, and of an exec that has ended; a container's init stays for `wait` and `inspect`."""
    process.close()
    if process.id:
        with contextlib.suppress(errors.Error):
            session.tasks.delete_process(process.container_id, process.id)


def _kill(session: Session, process: processes.Process, number: int) -> None:
    """Through the daemon that there is now: it may be another one than that which started the process."""
    session.tasks.kill(process.container_id, signal=number, exec_id=process.id)


class _Follower:
    """Does something to a process with each signal, as soon as there is one."""

    def __init__(self, act: Callable[[processes.Process, int], None]) -> None:
        self._act = act
        self._known = threading.Event()
        self._process: processes.Process | None = None

    def know(self, process: processes.Process) -> None:
        self._process = process
        self._known.set()

    def __call__(self, number: int) -> None:
        self._known.wait()
        if self._process is not None:
            self._act(self._process, number)


class _Forwarder:
    """Passes signals on, and counts interrupts."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._interrupts = 0

    def __call__(self, process: processes.Process, number: int) -> None:
        if number == signal.SIGINT:
            self._interrupts += 1
            if self._interrupts >= _INTERRUPTS:
                self._session.around.say("boxship: killing it, since it does not mind being interrupted")
                number = signal.SIGKILL
        _kill(self._session, process, number)


def _end_deserted(session: Session, process: processes.Process, taken: Outputs, ended: threading.Event) -> None:
    taken.deserted.wait()
    with contextlib.suppress(errors.Error):
        _kill(session, process, signal.SIGPIPE)
        if not ended.wait(_GRACE):
            _kill(session, process, signal.SIGKILL)


def _resize(session: Session, process: processes.Process) -> None:
    if size := terminals.size(session.around):
        width, height = size
        session.tasks.resize_pty(process.container_id, width=width, height=height, exec_id=process.id)
