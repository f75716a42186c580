"""`boxship attach`"""

import contextlib
import os
import threading
import time
from concurrent.futures import Future
from typing import BinaryIO

import click

from boxship.cli import attached, failures, offers, terminals, values
from boxship.cli.session import Session
from boxship.client import logfiles, marks
from boxship.client._sync import container as containers
from boxship.client._sync import processes
from boxship.core import tasks
from boxship.terms import errors

_SHORTEST, _LONGEST = 0.002, 0.05
"""Seconds between looks at what it writes: short while somebody types."""


@click.command("attach", epilog="Example: boxship attach --detach-keys ctrl-x web")
@click.option("--no-stdin", is_flag=True, help="Only watch.")
@values.detach_keys
@click.argument("container", shell_complete=offers.running)
@click.pass_obj
def command(session: Session, container: str, no_stdin: bool, detach_keys: bytes) -> int:
    """Watch a running container, and type into it.

    It shows what is written from now on; input reaches one that was started with -i.

    The exit code is its own; 125 when it cannot be reached.
    """
    around = session.around
    try:
        found = session.container(container)
        task = _running(session, found)
        terminal = task.io.terminal
        stdin = None if no_stdin else terminals.keys(around, terminal=terminal, leaving=detach_keys)
        status = attached.run(
            session,
            lambda taken: _Visit(session, found, task, stdin, taken),
            terminal=terminal,
            stdin=stdin,
            told=attached.way_back(found.id),
        )
    except (errors.Error, OSError) as exc:
        failures.tell(exc, around, debug=session.debug, about=container)
        return failures.code(exc)
    return status or 0


def _running(session: Session, container: containers.Container) -> tasks.Process:
    if not container.record.labels.get(marks.LOG):
        raise errors.FailedPrecondition(f"container {container.id} keeps no log, so nobody sees what it writes")
    if container.status().status not in {tasks.Status.RUNNING, tasks.Status.PAUSED}:
        raise errors.FailedPrecondition(
            f"container {container.id} does not run; `boxship start -ai {container.id}` starts it"
        )
    return session.tasks.get(container.id)


class _Visit(processes.Process):
    """A container's init, at which others may be, too: we read its log and write into its FIFO."""

    def __init__(
        self,
        session: Session,
        container: containers.Container,
        task: tasks.Process,
        stdin: BinaryIO | None,
        taken: attached.Outputs,
    ) -> None:
        super().__init__(container._session, container.id, "", task.pid, None)
        self._taken = taken
        self._gone = threading.Event()
        self._read: Future[None] = Future()
        log = logfiles.opened(container.record.labels[marks.LOG])
        threading.Thread(target=self._show, args=(log,), name="boxship-stream", daemon=True).start()
        if stdin is not None and task.io.stdin:
            _type(stdin, task.io.stdin)
        if task.io.terminal and (size := terminals.size(session.around)):
            width, height = size
            session.tasks.resize_pty(container.id, width=width, height=max(height - 1, 1))
            session.tasks.resize_pty(container.id, width=width, height=height)  # programs draw themselves anew

    def wait(self) -> int:
        status = super().wait()
        self._gone.set()
        self._read.result()
        return status

    def detach(self) -> None:
        """The others see to its output."""

    def close(self) -> None:
        self._gone.set()

    def _show(self, log: "contextlib.AbstractContextManager[BinaryIO]") -> None:
        pause, quiet = _SHORTEST, 0
        try:
            with log as file:
                file.seek(0, os.SEEK_END)
                while quiet < logfiles.SETTLED:
                    if data := file.read(logfiles.CHUNK):
                        self._taken.output(data)
                        pause = _SHORTEST
                    else:
                        quiet += self._gone.is_set()
                        time.sleep(pause)
                        pause = min(pause * 1.2, _LONGEST)
        finally:
            self._read.set_result(None)


def _type(stdin: BinaryIO, path: str) -> None:
    """Carry input to a FIFO that the shim reads, which keeps it open when we go."""
    try:
        sink = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise errors.FailedPrecondition(
            f"nobody can type into it any more: {exc.strerror}; --no-stdin only watches"
        ) from exc
    os.set_blocking(sink, True)

    def carry() -> None:
        with open(sink, "wb", buffering=0) as file, contextlib.suppress(OSError):
            read = getattr(stdin, "read1", stdin.read)
            while data := read(1 << 16):
                file.write(data)

    threading.Thread(target=carry, name="boxship-stream", daemon=True).start()
