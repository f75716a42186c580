"""The way between a process's 0, 1, 2 and what its client named: FIFOs, a file, a logger, or nowhere.

The process always gets pipes of ours (or a terminal), never the client's files, so that neither the container reaches
the host's file system through them nor a client that leaves kills the writer. Of each output FIFO the reading side
stays open here until the process is deleted: clients may come and go, and one that comes late finds what is in it.

A client gives up opening its FIFO when the process is gone. So its reader is waited for a moment before the process is
made (containerd-shim-runc-v2 waits without end), and a writing side that nobody came for stays until all is read.
"""

import array
import errno
import fcntl
import os
import stat
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from boxship.linux import tty
from boxship.shim import loggers, loop, pumps, reaping
from boxship.terms import errors

_READER_SECONDS = 0.25
_LOOK_SECONDS, _LONGEST_LOOK = 0.01, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a client asked for: paths or URIs; empty for nothing."""

    stdin: str = ""
    stdout: str = ""
    stderr: str = ""
    terminal: bool = False

    def state(self) -> dict[str, Any]:
        return {"stdin": self.stdin, "stdout": self.stdout, "stderr": self.stderr, "terminal": self.terminal}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose streams they are: told to loggers; the pipes are given to uid and gid."""

    id: str
    namespace: str
    uid: int = 0
    gid: int = 0


class Streams:
    """The streams of one process. `given` is what it gets as 0, 1, 2 (nothing useful with a terminal).

    `open` before the process is made; `begin` once it is there; `close` in any case.
    """

    def __init__(self, events: loop.Loop, children: reaping.Children, names: Names, owner: Owner) -> None:
        self._loop, self._children, self._names, self._owner = events, children, names, owner
        self._held: set[int] = set()  # ours until close()
        self._theirs: set[int] = set()  # the process's ends, ours until it has them
        self._input: tuple[int, int] | None = None  # source and sink, before they are pumped
        self._outputs: list[tuple[int, int]] = []
        self._input_pump: pumps.Pump | None = None
        self._output_pumps: list[pumps.Pump] = []
        self._keeper = -1  # the writing side of the input FIFO
        self._unvisited: list[tuple[int, int]] = []  # both sides of output FIFOs that had no reader when we began
        self._console = -1
        self._logger: loggers.Logger | None = None
        self._waiting: list[Callable[[], None]] = []
        self.given = (-1, -1, -1)

    def open(self) -> None:
        """Raises errors.Error or OSError when a stream cannot be opened; nothing stays open then."""
        try:
            if self._names.terminal:
                self._open_terminal()
            else:
                self.given = (self._stdin(), *self._stdout_and_stderr())
        except BaseException:
            self.close()
            raise

    def begin(self, console: int | None = None) -> None:
        """The process exists: let go of its ends and start to carry. `console` becomes ours."""
        self._close(self._theirs)
        if console is not None:
            self._console = self._hold(console)
            self._outputs = [(self._hold(_copy(console)), sink) for _, sink in self._outputs]
            if self._input is not None:
                self._input = (self._input[0], self._hold(_copy(console)))
        for source, sink in self._outputs:
            self._output_pumps.append(self._pump(source, sink, self._output_ended))
        if self._input is not None:
            self._input_pump = self._pump(*self._input, _nothing)

    def state(self) -> dict[str, Any]:
        """For `restore`, once the process exists: our descriptors, which must stay open with their numbers."""
        pump = self._input_pump
        return {
            "held": [*self._held],
            "input": None if pump is None or pump.ended else pump.state(),
            "outputs": [pump.state() for pump in self._output_pumps if not pump.ended],
            "keeper": self._keeper,
            "unvisited": self._unvisited,
            "console": self._console,
            "logger": None if self._logger is None or self._logger.ended else self._logger.pid,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Instead of `open` and `begin`: go on where others stopped."""
        self._held = set(state["held"])
        self._keeper, self._console = state["keeper"], state["console"]
        self._unvisited = [(reading, writing) for reading, writing in state["unvisited"]]
        if state["logger"] is not None:
            self._logger = loggers.Logger(self._loop, self._children, state["logger"], self._check_drained)
        if state["input"] is not None:
            self._input_pump = self._restored(state["input"], _nothing)
        self._output_pumps = [self._restored(each, self._output_ended) for each in state["outputs"]]

    def resize(self, width: int, height: int) -> None:
        """Does nothing without a terminal, as containerd."""
        if self._console >= 0:
            tty.resize(self._console, height, width)

    def close_stdin(self) -> None:
        """Let go of the input FIFO: the process sees its end once the client has let go, too."""
        if self._keeper >= 0:
            self._held.discard(self._keeper)
            os.close(self._keeper)
            self._keeper = -1

    def process_ended(self) -> None:
        """Carry what it wrote before anybody is told of its end: ctr 1.6 closes its FIFOs as soon as it knows.

        What else a terminal holds is carried, too; whoever else has it open is not waited for.
        """
        for pump in self._output_pumps:
            pump.carry()
            if self._console >= 0:
                pump.drain()

    def when_drained(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call once all output has been carried and a logger has ended, or when the time is over."""
        if self._logger is not None:
            self._logger.finish()

        def once() -> None:
            timer.cancel()
            if once in self._waiting:
                self._waiting.remove(once)
                callback()

        timer = self._loop.later(seconds, once)
        self._waiting.append(once)
        self._check_drained()

    def close(self) -> None:
        """Let go of everything, now."""
        for pump in (self._input_pump, *self._output_pumps):
            if pump is not None:
                pump.close()
        self._unvisited.clear()
        self._close(self._theirs)
        self._close(self._held)
        self._console = self._keeper = -1
        if self._logger is not None:
            self._logger.finish()

    def _open_terminal(self) -> None:
        scheme, path = _parsed(self._names.stdout)
        if scheme in {"binary", "binary-v2"}:
            self._start_logger(scheme)
            _, out, err = self.given
            self._theirs.discard(out)
            self._outputs.append((-1, self._hold(out)))
            self._close({err})
            self._theirs.discard(err)
        elif path:
            self._outputs.append((-1, self._sink(path, create=scheme == "file")))
        if self._names.stdin:
            self._input = (self._source(self._names.stdin), -1)

    def _stdin(self) -> int:
        if not self._names.stdin:
            return self._their(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        source = self._source(self._names.stdin)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self._input = (source, self._hold(writing))
        os.fchown(self._their(reading), self._owner.uid, self._owner.gid)
        return reading

    def _stdout_and_stderr(self) -> tuple[int, int]:
        scheme, path = _parsed(self._names.stdout)
        if scheme in {"binary", "binary-v2"}:
            self._start_logger(scheme)
            return self.given[1], self.given[2]
        if scheme == "file":
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            return self._output(path, create=True), self._output(path)
        if scheme == "fifo":
            return self._output(path), self._output(_parsed(self._names.stderr)[1])
        raise errors.Unknown(f"unknown STDIO scheme {scheme}")

    def _start_logger(self, scheme: str) -> None:
        self._logger, out, err = loggers.start(
            self._loop,
            self._children,
            uri=self._names.stdout,
            id=self._owner.id,
            namespace=self._owner.namespace,
            must_call=scheme == "binary-v2",
            ended=self._check_drained,
        )
        self.given = (-1, self._their(out), self._their(err))

    def _output(self, path: str, *, create: bool = False) -> int:
        if not path:
            return self._their(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
        sink = self._sink(path, create=create)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self._outputs.append((self._hold(reading), sink))
        os.fchown(self._their(writing), self._owner.uid, self._owner.gid)
        return writing

    def _sink(self, path: str, *, create: bool = False) -> int:
        if not create and _is_fifo(path):
            writing = _open_with_reader(path)
            if writing >= 0:
                self._hold(writing)
            reading = self._hold(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            if writing < 0:
                writing = self._hold(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                self._unvisited.append((reading, self._hold(os.dup(writing))))
            return writing
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_CREAT if create else 0)
        return self._hold(os.open(path, flags, 0o644))

    def _source(self, path: str) -> int:
        source = self._hold(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        if stat.S_ISFIFO(os.fstat(source).st_mode):
            # As long as we could write to it, it does not end because a client leaves.
            self._keeper = self._hold(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        return source

    def _pump(self, source: int, sink: int, ended: Callable[[], None]) -> pumps.Pump:
        self._held -= {source, sink}
        return pumps.Pump(self._loop, source, sink, ended)

    def _restored(self, state: Mapping[str, Any], ended: Callable[[], None]) -> pumps.Pump:
        pump = self._pump(state["source"], state["sink"], ended)
        pump.restore(state)
        return pump

    def _output_ended(self) -> None:
        if all(pump.ended for pump in self._output_pumps):
            self._let_go()
        self._check_drained()

    def _let_go(self, pause: float = _LOOK_SECONDS) -> None:
        """Close the writing sides that were kept for readers to come, once all has been read."""
        for pair in [*self._unvisited]:
            reading, writing = pair
            if not _unread(reading):
                self._unvisited.remove(pair)
                self._held.discard(writing)
                os.close(writing)
        if self._unvisited:
            self._loop.later(pause, lambda: self._let_go(min(pause * 2, _LONGEST_LOOK)))

    def _check_drained(self) -> None:
        carried = all(pump.ended for pump in self._output_pumps)
        if carried and (self._logger is None or self._logger.ended):
            for callback in [*self._waiting]:
                callback()

    def _hold(self, fd: int) -> int:
        self._held.add(fd)
        return fd

    def _their(self, fd: int) -> int:
        self._theirs.add(fd)
        return fd

    @staticmethod
    def _close(fds: set[int]) -> None:
        while fds:
            os.close(fds.pop())


def _parsed(name: str) -> tuple[str, str]:
    """Scheme (fifo when there is none) and path. Go's url.Parse takes an empty string for an empty path."""
    if ":" not in name:
        return "fifo", name
    import urllib.parse

    uri = urllib.parse.urlsplit(name)
    return (uri.scheme or "fifo", urllib.parse.unquote(uri.path) if uri.scheme else name)


def _is_fifo(path: str) -> bool:
    return stat.S_ISFIFO(os.stat(path).st_mode)


def _open_with_reader(path: str) -> int:
    """The writing side of a FIFO that somebody reads, or -1 when nobody comes in time."""
    deadline = time.monotonic() + _READER_SECONDS
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if time.monotonic() >= deadline:
            return -1
        time.sleep(0.001)


def _unread(fd: int) -> int:
    """Bytes in a pipe, ioctl_pipe(2)."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def _copy(fd: int) -> int:
    return os.dup(fd)


def _nothing() -> None:
    pass
