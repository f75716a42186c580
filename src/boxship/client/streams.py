"""The FIFOs through which a process of a container reads and writes, as containerd's clients lay them.

The client makes the FIFOs and names them in the task's IO; the shim opens them. Until it has, we hold writing ends
ourselves, so that a reader sees no end too early; afterwards the end of a stream is the shim's closing of it.
"""

import io
import os
import select
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, BinaryIO, Self

from boxship.client import fifos, outputs
from boxship.core import tasks

Sink = outputs.Sink

_CHUNK = 1 << 16
_PATIENCE = 1.0
"""Seconds for a sink that may be slow: a terminal can be stopped."""


class Streams:
    """The streams of one process; a context manager.

    Args:
        stdout: takes the output; None throws it away.
        stderr: takes the errors; of no meaning with a terminal.
        stdin: where input is read from until it ends, or all of it; None for none.
        terminal: the process gets a terminal, with both outputs in one.
        folder: where the FIFOs are made, a private folder below it; see fifos.
        on_stdin_end: called when the input has ended, so that the task's stdin can be closed.
        left_to: the file that takes the output of a terminal after `leave`; None when nobody will leave.
    """

    def __init__(
        self,
        *,
        stdout: Sink | None = None,
        stderr: Sink | None = None,
        stdin: BinaryIO | bytes | None = None,
        terminal: bool = False,
        folder: str | None = None,
        on_stdin_end: Callable[[], object] | None = None,
        left_to: str | None = None,
    ) -> None:
        source = _source(stdin)
        self._folder = fifos.make(folder)
        self._held: list[int] = []
        self._outputs: list[tuple[int, Sink]] = []
        self._stdin = source
        self._input = -1
        self._on_stdin_end = on_stdin_end
        self._left_to = left_to
        self._leaving = os.eventfd(0, os.EFD_CLOEXEC) if stdout and left_to is not None else -1
        self._left = False
        self._lock = threading.Lock()
        self._copying = 1  # threads that copy output, and `attach` that is still to come
        self.ended: Future[None] = Future()
        """Done when the outputs have ended and all that came has been taken."""
        self.io = tasks.IO(
            stdin=self._make_input() if source is not None else "",
            stdout=self._make_output("stdout", stdout) if stdout else "",
            stderr=self._make_output("stderr", stderr) if stderr and not terminal else "",
            terminal=terminal,
        )

    def attach(self) -> None:
        """The shim has opened its ends: start copying. Call it once, after the task was created or the exec started."""
        self.expect()
        self._let_go()
        if self._stdin is not None:
            source, self._stdin = self._stdin, None
            _start(self._copy_in, source)
        self._one_less()

    def expect(self) -> None:
        """Start reading before the shim has opened its ends: for execs, whose FIFOs are opened while they start."""
        outputs, self._outputs = self._outputs, []
        self._copying += len(outputs)
        for descriptor, sink in outputs:
            os.set_blocking(descriptor, True)
            _start(self._copy_out, descriptor, sink)

    def leave(self) -> None:
        """Go, and let the process go on: what it writes from now on a small program carries to the file for it.

        Raises:
            ValueError: the streams were not made for it.
        """
        if self._left_to is None or not self.io.stdout:
            raise ValueError("only output that was made with left_to can be left")
        self._left = True
        with self._lock:
            if self._leaving >= 0:
                os.eventfd_write(self._leaving, 1)
        wait([self.ended], _PATIENCE)  # for what is on its way to the sink
        self._let_go()
        # The shim keeps the FIFO open, with what nobody has read yet; `cat` ends when the process does.
        source = os.open(self.io.stdout, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        sink = os.open(self._left_to, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.set_blocking(source, True)
        try:
            subprocess.Popen(
                ["cat"], stdin=source, stdout=sink, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/"
            ).returncode = 0  # nobody waits for it
        finally:
            os.close(source)
            os.close(sink)

    def close(self) -> None:
        """Let go of everything; the FIFOs vanish. Reading threads end when the shim closes its ends."""
        if self._left:
            return
        self._let_go()
        for descriptor, _ in self._outputs:
            os.close(descriptor)
            self._forget_leaving()
        self._outputs.clear()
        if self._stdin is not None:
            self._stdin = None
            if self._input >= 0:
                os.close(self._input)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _make_output(self, name: str, sink: Sink) -> str:
        path = os.path.join(self._folder, name)
        os.mkfifo(path, 0o600)
        self._outputs.append((os.open(path, os.O_RDONLY | os.O_NONBLOCK), sink))
        self._held.append(os.open(path, os.O_WRONLY))
        return path

    def _make_input(self) -> str:
        path = os.path.join(self._folder, "stdin")
        os.mkfifo(path, 0o600)
        # A reading end of ours, so that the writing one can be opened before the shim is there.
        self._held.append(os.open(path, os.O_RDWR))
        self._input = os.open(path, os.O_WRONLY)
        return path

    def _let_go(self) -> None:
        while self._held:
            os.close(self._held.pop())

    def _copy_out(self, descriptor: int, sink: Sink) -> None:
        try:
            while self._may_read(descriptor) and (data := os.read(descriptor, _CHUNK)):
                sink(data)
        except BaseException as exc:  # whoever waits for the end gets it
            self._one_less(exc)
        else:
            self._one_less()
        finally:
            os.close(descriptor)
            self._forget_leaving()

    def _forget_leaving(self) -> None:
        """With the output, of which a terminal has one."""
        with self._lock:
            leaving, self._leaving = self._leaving, -1
        if leaving >= 0:
            os.close(leaving)

    def _may_read(self, descriptor: int) -> bool:
        """Wait until there is something, or until we leave."""
        if self._leaving < 0:
            return True
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        waiting.register(self._leaving, select.POLLIN)
        return not any(ready == self._leaving for ready, _ in waiting.poll())

    def _one_less(self, failure: BaseException | None = None) -> None:
        with self._lock:
            self._copying -= 1
            if self.ended.done():
                return
            if failure is not None:
                self.ended.set_exception(failure)
            elif not self._copying:
                self.ended.set_result(None)

    def _copy_in(self, source: BinaryIO) -> None:
        try:
            read = getattr(source, "read1", source.read)
            while data := read(_CHUNK):
                _write_all(self._input, data)
        except BrokenPipeError:
            pass
        finally:
            os.close(self._input)
            if self._on_stdin_end and not self._left:
                self._on_stdin_end()


def _source(stdin: Any) -> BinaryIO | None:
    """Raises TypeError for what cannot be read as bytes, before anything waits for it."""
    if isinstance(stdin, bytes | bytearray | memoryview):
        return io.BytesIO(stdin)
    if stdin is not None and (isinstance(stdin, io.TextIOBase) or not hasattr(stdin, "read")):
        raise TypeError(f"stdin must be bytes, or a file that gives bytes, not {stdin!r}"[:200])
    source: BinaryIO | None = stdin
    return source


def _start(target: Callable[..., None], *args: object) -> None:
    threading.Thread(target=target, args=args, name="boxship-stream", daemon=True).start()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
