"""Loggers: programs that get a container's output as their descriptors 3 and 4 and say on 5 that they are ready.

`binary://` closes 5 when it is ready, `binary-v2://` must write a byte first (containerd, runtime v2, logging).
"""

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Callable

from boxship.shim import loop, reaping
from boxship.terms import errors

READY_SECONDS = 10.0
GRACE_SECONDS = 1.0  # between the end of the output and SIGTERM; containerd gives none
KILL_SECONDS = 12.0
_ABOVE = 10  # so that putting them on 3, 4, 5 overwrites none of them


class Logger:
    """A logger that runs. Its input ends when the process and `start`'s caller have closed their ends."""

    def __init__(self, events: loop.Loop, children: reaping.Children, pid: int, ended: Callable[[], None]) -> None:
        self._loop, self.pid, self._told = events, pid, ended
        self._timers: list[loop.Timer] = []
        self.ended = False
        children.watch(pid, self._has_ended)

    def finish(self) -> None:
        """No more output will come: let it end by itself, then ask it to, then make it."""
        if not self.ended and not self._timers:
            self._timers = [
                self._loop.later(GRACE_SECONDS, lambda: self._signal(signal.SIGTERM)),
                self._loop.later(KILL_SECONDS, lambda: self._signal(signal.SIGKILL)),
            ]

    def _signal(self, number: int) -> None:
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _has_ended(self, _status: int, _at: int) -> None:
        self.ended = True
        for timer in self._timers:
            timer.cancel()
        self._told()


def _words(error: OSError) -> str:
    """The kernel's words as Go spells them."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def start(
    events: loop.Loop,
    children: reaping.Children,
    *,
    uri: str,
    id: str,
    namespace: str,
    must_call: bool,
    ended: Callable[[], None],
) -> tuple[Logger, int, int]:
    """Start a logger and wait until it is ready: the logger and the ends to write stdout and stderr to.

    Raises:
        errors.Unknown: it cannot be started, or is not ready in time.
    """
    path, *more = _arguments(uri)
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
    (out, out_end), (err, err_end), (ready, ready_end) = pipes
    try:
        pid = _spawn(path, [path, *more], id, namespace, (out, err, ready_end))
    except OSError as error:
        for fd in (fd for pair in pipes for fd in pair):
            os.close(fd)
        raise errors.Unknown(f"failed to start binary process: fork/exec {path}: {_words(error)}") from error
    for fd in (out, err, ready_end):
        os.close(fd)
    logger = Logger(events, children, pid, ended)
    try:
        _wait_until_ready(ready, must_call=must_call)
    except errors.Error:
        os.close(out_end)
        os.close(err_end)
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(ready)
    return logger, out_end, err_end


def _arguments(uri: str) -> list[str]:
    """The program and its arguments: `?key=value` becomes two, in order of appearance."""
    import urllib.parse

    parts = urllib.parse.urlsplit(uri)
    pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True, max_num_fields=1000)
    first = dict(reversed(pairs))
    flat = [word for key in dict.fromkeys(key for key, _ in pairs) for word in (key, first[key])]
    return [urllib.parse.unquote(parts.path), *flat]


def _spawn(path: str, arguments: list[str], id: str, namespace: str, fds: tuple[int, int, int]) -> int:
    environment = {"CONTAINER_ID": id, "CONTAINER_NAMESPACE": namespace}
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for fd in fds]
    try:
        return os.posix_spawn(
            path,
            arguments,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, 3 + at) for at, fd in enumerate(high)],
            setsigmask=(),
        )
    finally:
        for fd in high:
            os.close(fd)


def _wait_until_ready(fd: int, *, must_call: bool) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if not poll.poll(READY_SECONDS * 1000):
        raise errors.Unknown(f"logging binary was not ready within {READY_SECONDS:.0f} seconds")
    if not os.read(fd, 1) and must_call:
        raise errors.Unknown("logging binary did not call ready (it may have crashed or exited prematurely)")
