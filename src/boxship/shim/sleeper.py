"""The shim's own process: it holds everything, sleeps, and has a worker made when there is something to do.

What a process touches is no longer shared with the template that it was forked from, and Python touches much for
little. So this process does nothing but wait: its worker, a fork of it, serves until it has been idle for a moment,
says what it waits for and what must be known to go on, and is gone, with all memory that it touched. Most containers
are idle most of the time, and then their shim costs less than a megabyte.

Both have the same table of descriptors: whatever the worker has opened stays open, with its number, and what it closes
is closed. The working folder is shared, too. Children that the worker leaves become ours, since we are their subreaper; their ends are reported to the
worker of the day. A worker that dies takes the shim with it.

What is written here is written for the number of pages that it touches: few functions, no classes of Python's library.
"""

import _socket
import array
import errno
import os
import select
import time
from collections.abc import Callable, Sequence

from boxship.linux import bare
from boxship.shim import journal

ASLEEP = 100
"""Exit status of a worker that has said good night."""
LIMIT = 128 * 1024  # bytes of a letter; the buffers of sockets hold it, unless the machine has made them small
_PAUSE = 0.1  # seconds before another attempt to have a process
_IN, _OUT, _NO_WAIT = select.POLLIN, select.POLLOUT, _socket.MSG_DONTWAIT

Work = Callable[[bytes, _socket.socket], int]
"""Gets the state of the last night (empty at first) and the socket of reports; returns the exit status."""


class Sleeper:
    """Runs workers until one ends otherwise than asleep."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._ours, self._theirs = bare.pair()
        self._wake = bare.wakeup()
        self._watched: list[int] = []  # descriptor, events, descriptor, events, …
        self._pids: list[int] = []
        self._state = b""
        self._reports: list[bytes] = []  # for the worker, in their order

    def run(self) -> int:
        """Returns the exit status of the last worker."""
        while (status := self._have_it_done()) == ASLEEP:
            while not self._reports and not self._wait(self._watched):
                self._collect()
        return status

    def _have_it_done(self) -> int:
        worker = self._fork()
        if not worker:
            self._be_worker()
        while (status := self._collect().get(worker)) is None:
            if self._wait([self._ours.fileno(), _OUT] if self._reports else []):
                self._ours.send(self._reports.pop(0))
        return os.waitstatus_to_exitcode(status)

    def _fork(self) -> int:
        """As often as it takes: a container must not be lost because others have used up all processes."""
        told = False
        while True:
            try:
                return bare.fork_sharing()
            except OSError as error:
                if not told:
                    journal.warning(f"waiting for a process to work with: {error}")
                told = True
            time.sleep(_PAUSE)
            self._collect()  # the dead count, too

    def _be_worker(self) -> None:
        status = 1
        try:
            status = self._work(self._state, self._theirs)
        except Exception:
            journal.exception("the shim's worker failed")
        finally:
            os._exit(status)

    def _wait(self, watched: Sequence[int]) -> bool:
        """For a child's end or one of these; whether one of these came."""
        poll = select.poll()
        poll.register(self._wake, _IN)
        for at in range(0, len(watched), 2):
            poll.register(watched[at], watched[at + 1])
        came = False
        for fd, _ in poll.poll():
            if fd == self._wake:
                os.read(fd, 4096)
            else:
                came = True
        return came

    def _collect(self) -> dict[int, int]:
        """Reap: pid and status, as of waitpid(2), of all that have ended."""
        ended: dict[int, int] = {}
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                ended[found[0]] = found[1]
        except ChildProcessError:
            pass
        # Not before: whoever a worker has left to us was left after its letter was written.
        try:  # noqa: SIM105 - contextlib's way touches more
            self._read(self._ours.recv(LIMIT, _NO_WAIT))
        except BlockingIOError:
            pass
        for pid in self._pids:
            if pid in ended:
                self._reports.append(b"%d %d %d" % (pid, ended[pid], time.time_ns()))
        return ended

    def _read(self, letter: bytes) -> None:
        numbers = array.array("i")
        size = numbers.itemsize
        numbers.frombytes(letter[: 2 * size])
        pairs, pids = numbers
        end = size * (2 + 2 * pairs + pids)
        numbers.frombytes(letter[2 * size : end])
        self._watched = numbers[2 : 2 + 2 * pairs].tolist()
        self._pids = numbers[2 + 2 * pairs :].tolist()
        self._state = letter[end:]


def post(letter: bytes, reports: _socket.socket) -> None:
    """Say good night; the worker must end with ASLEEP then. Raises OSError (EMSGSIZE): it must stay awake."""
    if len(letter) > LIMIT:
        raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
    reports.send(letter)


def letter(watched: Sequence[tuple[int, int]], pids: Sequence[int], state: bytes) -> bytes:
    """A worker's good night, for `post`.

    Args:
        watched: descriptors and events (poll(2)), each of which ends the night.
        pids: whose end ends it, too.
        state: for the next worker.
    """
    numbers = array.array("i", (len(watched), len(pids)))
    for pair in watched:
        numbers.extend(pair)
    numbers.extend(pids)
    return numbers.tobytes() + state
