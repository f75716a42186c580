"""The shim as a process: from the descriptors it is handed to its end."""

import _socket
import contextlib
import functools
import itertools
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

from boxship.linux import bare, processes
from boxship.shim import endpoint, events, journal, loop, making, reaping, service, sleeper, warming

REST_SECONDS, LONGEST_REST = 0.3, 20.0  # without work, after which the worker goes
SHORT_NIGHT = 5.0
"""Seconds. After a shorter night the next worker rests twice as long before it goes: a container that writes each
second, or is asked each second, keeps its worker, since making one costs some milliseconds."""
MOST_LIVES = 100  # of one shim, one after another, so that what it may lose with time does not add up
_REFUSED, _SIGPIPE = (int(signal.SIGTERM), int(signal.SIGINT)), int(signal.SIGPIPE)
FLUSH_SECONDS = 3.0  # for the last events, when it is told to go


Requests = Iterator[tuple[dict[str, Any], list[int]]]
"""What `run` gets, once for each container or group of containers."""


def prepare() -> None:
    """Called once in the process that shims are forked from."""
    warming.warm()


def run(arguments: dict[str, Any], fds: list[int]) -> None:
    """Serve until told to shut down. The zygote's entry point.

    Args:
        arguments: `namespace`, `id`, `bundle`; `address`, the path of the socket; `ttrpc_address`, of the daemon;
            optional `runtime_root`, `filters` (a folder for compiled seccomp filters) and `rest` (seconds without work
            after which the worker goes).
        fds: the listening socket.
    """
    stand_by(iter([(arguments, fds)]))


def stand_by(requests: Requests) -> None:
    """The same for a shim that is made before it is asked for, and may be asked again when it has done its work."""
    os.umask(0o077)
    bare.set_name(b"boxship-shim")
    bare.set_subreaper()
    for number in _REFUSED:
        bare.handle(number, _refuse)
    bare.handle(_SIGPIPE, _survive)
    worker = functools.partial(work, requests, os.getpid())
    os._exit(sleeper.Sleeper(worker).run())


def work(requests: Requests, shim: int, state: bytes, reports: _socket.socket) -> int:
    """The worker's process, see `sleeper.Work`."""
    bare.set_name(b"boxship-worker")
    bare.set_subreaper()
    processes.set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != shim:  # it died before we asked to be told
        return 1
    if state:
        return _go_on(json.loads(state), shim, reports)
    before = _likeness()
    for life, (arguments, (listener,)) in enumerate(itertools.islice(requests, MOST_LIVES)):
        # of the shim, but done here since it touches much; we share its folder and its descriptors
        os.chdir(arguments["bundle"])
        journal.start(arguments["bundle"])
        if not life:
            _raise_oom_score(shim)
        status = Worker(arguments, listener, shim, reports).run()
        if status != 0:
            return status
        os.chdir("/")
        journal.stop()
        if not _is_as(before):
            return 0
    return 0


def _go_on(former: dict[str, Any], shim: int, reports: _socket.socket) -> int:
    """After a night."""
    worker = Worker(former["arguments"], former["listener"], shim, reports)
    worker.restore(former)
    return worker.run()


class Worker:
    """The parts of a shim at work, put together."""

    def __init__(
        self,
        arguments: dict[str, Any],
        listener: int,
        shim: int,
        reports: _socket.socket,
    ) -> None:
        """`arguments` and `listener` as in `run`; `shim`: the pid of the shim itself."""
        self._arguments, self._listener, self._reports = arguments, listener, reports
        self._loop = loop.Loop()
        self._children = reaping.Children(self._loop, reports)
        self._address = arguments["address"].removeprefix("unix://")
        self._publisher = events.Publisher(
            self._loop, address=arguments.get("ttrpc_address", ""), namespace=arguments["namespace"]
        )
        maker = making.Maker(
            events=self._loop,
            children=self._children,
            namespace=arguments["namespace"],
            shim=shim,
            sockets=os.path.dirname(self._address),
            runtime_root=arguments.get("runtime_root") or making.DEFAULT_RUNTIME_ROOT,
            filters=arguments.get("filters"),
        )
        self._tasks = service.Tasks(maker, self._publisher, pid=shim, leave=self._leave)
        self._endpoint = endpoint.Endpoint(self._loop, socket.socket(fileno=listener), self._tasks.services())
        self._rest: float = arguments.get("rest", REST_SECONDS)
        self._leaving = False
        self._asleep = False

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last worker stopped."""
        if time.monotonic() - state["slept"] < SHORT_NIGHT:
            self._rest = min(state["rest"] * 2, LONGEST_REST)
        self._tasks.restore(state["tasks"])
        self._endpoint.restore(state["connections"])

    def run(self) -> int:
        """Until there has been nothing to do for a while (sleeper.ASLEEP), or the shim is told to shut down (0)."""
        self._loop.run(rest=self._rest, rested=self._rested)
        self._publisher.close()
        self._children.close()
        self._loop.close()
        return sleeper.ASLEEP if self._asleep else 0

    def _rested(self) -> None:
        if self._leaving or not self._publisher.idle or not self._endpoint.idle:
            return
        self._publisher.close()
        state = {
            "arguments": self._arguments,
            "listener": self._listener,
            "slept": time.monotonic(),
            "rest": self._rest,
            "tasks": self._tasks.state(),
            "connections": self._endpoint.state(),
        }
        watched = [(fd, events) for fd, events in self._loop.watched if not self._children.owns(fd)]
        letter = sleeper.letter(watched, self._children.pids, json.dumps(state).encode())
        try:
            sleeper.post(letter, self._reports)
        except OSError as error:
            journal.info(f"the worker stays, with {len(letter)} bytes of state: {error}")
            return
        self._asleep = True
        self._loop.stop()

    def _leave(self) -> None:
        """After the answer to the one who said so, and after the last events.

        The socket goes before the answer: whoever has the answer may start another shim at the same place.
        """
        if not self._leaving:
            self._leaving = True
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._address)
            self._endpoint.refuse()
            self._loop.later(0, self._close)

    def _close(self) -> None:
        # Those who are connected see the end of the connection as the end of the shim.
        self._endpoint.close()
        self._publisher.flush(FLUSH_SECONDS, self._loop.stop)


def _survive(_number: int, _frame: object) -> None:
    """A handler, since what is ignored stays ignored in what we execute."""


def _refuse(number: int, _frame: object) -> None:
    journal.warning(f"signal {number} is not how a shim ends; Shutdown is")


def _likeness() -> tuple[set[str], str]:
    """What of a shim a container may have changed for good: its descriptors and its cgroups."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        return set(os.listdir("/proc/self/fd")), file.read()


def _is_as(before: tuple[set[str], str]) -> bool:
    """Whether nothing is left of the container that was: a shim with anything left is not given another one."""
    descriptors, cgroups = _likeness()
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return descriptors <= before[0] and cgroups == before[1]
    return False


def _raise_oom_score(shim: int) -> None:
    """Before the daemon, the kernel shall take a shim; before a shim, whatever else there is."""
    try:
        for pid in (shim, os.getpid()):
            fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
            try:
                score = int(os.read(fd, 16))
                os.pwrite(fd, b"%d" % min(score + 1, 1000), 0)
            finally:
                os.close(fd)
    except (OSError, ValueError) as error:
        journal.warning(f"the shim keeps the daemon's OOM score: {error}")
