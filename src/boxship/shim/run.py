"""The shim as a process: from the descriptors it is handed to its end."""

import contextlib
import logging
import os
import signal
import socket
from typing import Any

from boxship.linux import processes
from boxship.shim import endpoint, events, journal, loop, making, service, warming

_log = logging.getLogger(__name__)
FLUSH_SECONDS = 3.0  # for the last events, when it is told to go


def prepare() -> None:
    """Called once in the process that shims are forked from."""
    journal.prepare()
    warming.warm()


def run(arguments: dict[str, Any], fds: list[int]) -> None:
    """Serve until told to shut down. The zygote's entry point.

    Args:
        arguments: `namespace`, `id`, `bundle`; `address`, the path of the socket; `ttrpc_address`, of the daemon;
            optional `runtime_root`, `filters` (a folder for compiled seccomp filters) and `debug`.
        fds: the listening socket.
    """
    os.umask(0o077)
    processes.set_name(b"boxship-shim")
    processes.set_subreaper()
    os.chdir(arguments["bundle"])
    journal.start(arguments["bundle"], debug=bool(arguments.get("debug")))
    _raise_oom_score()
    # A handler, since what is ignored stays ignored in what we execute.
    signal.signal(signal.SIGPIPE, lambda _number, _frame: None)
    Shim(arguments, socket.socket(fileno=fds[0])).run()


class Shim:
    """The parts of a shim, put together."""

    def __init__(self, arguments: dict[str, Any], listener: socket.socket) -> None:
        self._address = arguments["address"].removeprefix("unix://")
        self._loop = loop.Loop()
        self._publisher = events.Publisher(
            self._loop, address=arguments.get("ttrpc_address", ""), namespace=arguments["namespace"]
        )
        maker = making.Maker(
            events=self._loop,
            children=loop.Children(self._loop),
            namespace=arguments["namespace"],
            sockets=os.path.dirname(self._address),
            runtime_root=arguments.get("runtime_root") or making.DEFAULT_RUNTIME_ROOT,
            filters=arguments.get("filters"),
        )
        tasks = service.Tasks(maker, self._publisher, pid=os.getpid(), leave=self._leave)
        self._endpoint = endpoint.Endpoint(self._loop, listener, tasks.handlers())
        self._leaving = False

    def run(self) -> None:
        """Returns when the shim has been told to shut down and its events are out."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._refuse)
        self._loop.run()
        self._publisher.close()

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

    @staticmethod
    def _refuse(number: int, _frame: object) -> None:
        _log.warning("signal %d is not how a shim ends; Shutdown is", number)


def _raise_oom_score() -> None:
    """Before the daemon, the kernel shall take a shim; before a shim, whatever else there is."""
    try:
        with open("/proc/self/oom_score_adj", "r+", encoding="ascii") as file:
            score = int(file.read())
            file.seek(0)
            file.write(str(min(score + 1, 1000)))
    except (OSError, ValueError) as error:
        _log.warning("the shim keeps the daemon's OOM score: %s", error)
