"""The FIFOs through which a process of a container reads and writes, as containerd's clients lay them.

The client makes the FIFOs and names them in the task's IO; the shim opens them. Until it has, we hold writing ends
ourselves, so that a reader sees no end too early; afterwards the end of a stream is the shim's closing of it.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from typing import BinaryIO, Self

from boxship.core import tasks

Sink = Callable[[bytes], object]
"""Takes output as it comes, in a thread of its own; must not block for long."""

_CHUNK = 1 << 16


class Streams:
    """The streams of one process; a context manager.

    Args:
        stdout: takes the output; None throws it away.
        stderr: takes the errors; of no meaning with a terminal.
        stdin: where input is read from until it ends; None for none.
        terminal: the process gets a terminal, with both outputs in one.
        folder: where the FIFOs are made, a private folder below it.
        on_stdin_end: called when the input has ended, so that the task's stdin can be closed.
    """

    def __init__(
        self,
        *,
        stdout: Sink | None = None,
        stderr: Sink | None = None,
        stdin: BinaryIO | None = None,
        terminal: bool = False,
        folder: str | None = None,
        on_stdin_end: Callable[[], object] | None = None,
    ) -> None:
        self._folder = tempfile.mkdtemp(prefix="boxship-fifo-", dir=folder)
        self._held: list[int] = []
        self._outputs: list[tuple[int, Sink]] = []
        self._threads: list[threading.Thread] = []
        self._stdin = stdin
        self._input = -1
        self._on_stdin_end = on_stdin_end
        self.io = tasks.IO(
            stdin=self._make_input() if stdin is not None else "",
            stdout=self._make_output("stdout", stdout) if stdout else "",
            stderr=self._make_output("stderr", stderr) if stderr and not terminal else "",
            terminal=terminal,
        )

    def attach(self) -> None:
        """The shim has opened its ends: start copying. Call it once, after the task was created or the exec started."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()
        for descriptor, sink in self._outputs:
            os.set_blocking(descriptor, True)
            self._start(self._copy_out, descriptor, sink)
        self._outputs.clear()
        if self._stdin is not None:
            self._start(self._copy_in, self._stdin)

    def expect(self) -> None:
        """Start reading before the shim has opened its ends: for execs, whose FIFOs are opened while they start."""
        outputs, self._outputs = self._outputs, []
        for descriptor, sink in outputs:
            os.set_blocking(descriptor, True)
            self._start(self._copy_out, descriptor, sink)

    def wait(self, timeout: float | None = None) -> None:
        """Until the outputs have ended."""
        for thread in self._threads:
            if thread.name != "stdin":
                thread.join(timeout)

    def close(self) -> None:
        """Let go of everything; the FIFOs vanish. Reading threads end when the shim closes its ends."""
        for descriptor in (*self._held, *(each for each, _ in self._outputs)):
            os.close(descriptor)
        self._held.clear()
        self._outputs.clear()
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
        self._input = os.open(path, os.O_RDWR)
        self._held.append(self._input)
        return path

    def _start(self, target: Callable[..., None], *args: object) -> None:
        name = "stdin" if target == self._copy_in else "output"
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        if target == self._copy_in:
            self._input = os.open(os.path.join(self._folder, "stdin"), os.O_WRONLY)
        self._threads.append(thread)
        thread.start()

    def _copy_out(self, descriptor: int, sink: Sink) -> None:
        try:
            while data := os.read(descriptor, _CHUNK):
                sink(data)
        finally:
            os.close(descriptor)

    def _copy_in(self, source: BinaryIO) -> None:
        try:
            read = getattr(source, "read1", source.read)
            while data := read(_CHUNK):
                _write_all(self._input, data)
        except BrokenPipeError:
            pass
        finally:
            os.close(self._input)
        if self._on_stdin_end:
            self._on_stdin_end()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
