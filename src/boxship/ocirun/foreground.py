"""Standing in front of a container: its terminal on ours, our signals to it, and handing things to who asked."""

import contextlib
import os
import select
import signal
import socket
import sys
import termios
from collections.abc import Iterator

from boxship.linux import processes, sockets, tty
from boxship.ocirun import container, errors

_NOT_FORWARDED = {signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG, signal.SIGKILL, signal.SIGSTOP, signal.SIGWINCH}
_CHUNK = 65536


def check_terminal(terminal: bool, console_socket: str, *, detached: bool) -> None:
    """The combinations that runc refuses; raises SpecFault."""
    if terminal and detached and not console_socket:
        raise errors.SpecFault("cannot allocate tty if runc will detach without setting console socket", step="console")
    if (not terminal or not detached) and console_socket:
        raise errors.SpecFault("cannot use console socket if runc will not detach or allocate tty", step="console")


def hand_out(process: container.Process, *, console_socket: str, pidfd_socket: str, pid_file: str) -> None:
    """Send the console and the pidfd to their sockets, write the pid file; raises OSError."""
    if console_socket and process.console is not None:
        _send(console_socket, b"/dev/ptmx", process.console)
        os.close(process.console)
        process.console = None
    if pidfd_socket:
        _send(pidfd_socket, b"pidfd", process.pidfd)
    if pid_file:
        temporary = os.path.join(os.path.dirname(pid_file) or ".", f".{os.path.basename(pid_file)}")
        with open(temporary, "w", encoding="ascii") as file:
            file.write(str(process.pid))
        os.rename(temporary, pid_file)


def _send(path: str, name: bytes, descriptor: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as end:
        end.connect(path)
        sockets.send(end, name, (descriptor,))


class Session:
    def __init__(self, console: int | None, signals: int | None) -> None:
        self._console = console
        self._signals = signals

    def attend(self, pidfd: int) -> int:
        """Pass bytes and signals until the process ends and all it wrote is out; its exit status."""
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if self._signals is not None:
            poll.register(self._signals, select.POLLIN)
        if self._console is not None:
            poll.register(self._console, select.POLLIN)
            poll.register(0, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == pidfd:
                    self._drain()
                    return processes.exit_status(pidfd) or 0
                if descriptor == self._signals:
                    self._forward(pidfd)
                elif descriptor == self._console:
                    if not _pass(self._console, 1):
                        poll.unregister(self._console)
                elif self._console is not None and not _pass(0, self._console):
                    poll.unregister(0)

    def _drain(self) -> None:
        if self._console is not None:
            os.set_blocking(self._console, False)
            while _pass(self._console, 1):
                continue

    def _forward(self, pidfd: int) -> None:
        for number in os.read(self._signals or 0, 64):
            if number == signal.SIGWINCH:
                if self._console is not None:
                    with contextlib.suppress(OSError):
                        tty.resize(self._console, *tty.size(0))
            elif number not in _NOT_FORWARDED:
                with contextlib.suppress(ProcessLookupError):
                    processes.send_signal(pidfd, number)


def _pass(source: int, target: int) -> bool:
    """Whether there is more to come."""
    try:
        chunk = os.read(source, _CHUNK)
    except OSError:  # EIO: the pty's other end is closed; EAGAIN: nothing there
        return False
    view = memoryview(chunk)
    while view:
        view = view[os.write(target, view) :]
    return bool(chunk)


@contextlib.contextmanager
def session(console: int | None, *, interactive: bool) -> Iterator[Session]:
    """Take over the terminal and the signals for the time of a process in front."""
    if not interactive:
        yield Session(None, None)
        return
    with contextlib.ExitStack() as stack:
        reading, writing = os.pipe()
        for descriptor in (reading, writing):
            os.set_blocking(descriptor, False)
            stack.callback(os.close, descriptor)
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writing))
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                stack.callback(signal.signal, number, signal.signal(number, _noted))
        if console is not None:
            stack.callback(os.close, console)
            tty.without_onlcr(console)
            if sys.stdin is not None and os.isatty(0):
                tty.resize(console, *tty.size(0))
                former = termios.tcgetattr(0)
                stack.callback(termios.tcsetattr, 0, termios.TCSADRAIN, former)
                import tty as terminals

                terminals.setraw(0)
        yield Session(console, reading)


def _noted(number: int, frame: object) -> None:
    """The wakeup descriptor has it."""
