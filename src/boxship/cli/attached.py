"""Staying with a process of a container: its output, its terminal, its signals, and its end."""

import contextlib
import signal
import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from typing import Any, BinaryIO

from boxship.cli import terminals, world
from boxship.cli.session import Session
from boxship.client import outputs
from boxship.client._sync import processes
from boxship.terms import errors

_INTERRUPTS = 3
"""After so many the process is killed."""
_GOING = (signal.SIGHUP, signal.SIGTERM)
"""End those who are at a terminal; what runs in the container is another's."""
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


def run(
    session: Session,
    start: Callable[[Outputs], processes.Process],
    *,
    terminal: bool,
    stdin: BinaryIO | None = None,
    told: str = "",
) -> int | None:
    """Start a process and stay until it ends; returns its exit status, or None when it was left behind.

    Args:
        session: the call.
        start: starts it, with its output taken by what it is given.
        terminal: whether it has one.
        stdin: what it reads; the keys that leave it are watched there.
        told: the way back, for who has left it.

    Signals go to the process, those too that came while it was starting, and so does the terminal's size. When nobody
    reads its output any more it gets SIGPIPE, as it would without a container around it, and is killed if it does not
    mind. Whoever interrupts it three times kills it. A daemon that restarts meanwhile is waited for. Who has a terminal
    leaves it by keys, or by closing that terminal.
    """
    around = session.around
    taken = Outputs(around)
    left: Future[None] | None = None
    numbers: tuple[signal.Signals, ...]
    if terminal and around.stdin.isatty():
        left = getattr(stdin, "left", None) or Future()
        follower = _Follower(_AtTerminal(session, left))
        numbers = (signal.SIGWINCH, *_GOING)
        keys: contextlib.AbstractContextManager[None] = terminals.raw(around)
    else:
        follower, numbers, keys = _Follower(_Forwarder(session)), terminals.FORWARDED, contextlib.nullcontext()
    with terminals.following(numbers, follower), keys:
        process = start(taken)
        follower.know(process)
        ended = threading.Event()
        threading.Thread(
            target=_end_deserted, args=(session, process, taken, ended), name="deserted", daemon=True
        ).start()
        status: int | None = 0
        try:
            status = _end_of(session, process) if left is None else _end_or_leave(session, process, left)
        finally:
            ended.set()
            _let_go(session, process, forget=status is not None)
            if release := getattr(stdin, "release", None):
                release()
    if status is None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            around.say(f"boxship: left it running{told}")
    return status


def way_back(name: str) -> str:
    """For `told`."""
    return f"; `boxship attach {name}` goes back to it"


def _end_or_leave(session: Session, process: processes.Process, left: "Future[None]") -> int | None:
    end: Future[int] = Future()

    def wait() -> None:
        try:
            end.set_result(_end_of(session, process, left))
        except BaseException as exc:
            end.set_exception(exc)

    threading.Thread(target=wait, name="end", daemon=True).start()
    waited: list[Future[Any]] = [end, left]
    futures.wait(waited, return_when=futures.FIRST_COMPLETED)
    if end.done():
        return end.result()
    process.detach()
    return None


def _end_of(session: Session, process: processes.Process, left: "Future[None] | None" = None) -> int:
    try:
        return process.wait()
    except errors.Unavailable:
        if left is not None and left.done():  # we went, and closed the connection
            raise
        process.know(session.patiently(lambda client: client.tasks.wait(process.container_id, process.id).result()))
        return process.wait()


def _let_go(session: Session, process: processes.Process, *, forget: bool) -> None:
    """Of the streams, and of an exec that has ended; a container's init stays for `wait` and `inspect`."""
    process.close()
    if process.id and forget:
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


class _AtTerminal:
    """Follows the terminal's size, and leaves when it goes away."""

    def __init__(self, session: Session, left: "Future[None]") -> None:
        self._session = session
        self._left = left

    def __call__(self, process: processes.Process, number: int) -> None:
        if number == signal.SIGWINCH:
            _resize(self._session, process)
        else:
            terminals.leave(self._left)


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
