"""The template process. Started by `client` as a script: `python -I -S template.py SOCKET IMAGE`, both descriptors.

What it and its client say to each other is one JSON object per packet of a SOCK_SEQPACKET socket. The first packet
goes to the template: {"path": [...], "entries": {name: "module:function"}, "spare": name or null}. It answers
{"ready": pid}, or {"error": text} and leaves. After that, each {"entry", "arguments"} with its descriptors in
SCM_RIGHTS is answered with {"pid"} or {"error", "errno"}.

When it has had nothing to do for a moment, it forks the next process of one entry ahead. That stands by, in its
module's function `stand_by`, and its request is passed on to it.

It must stay single-threaded and small: every page that it holds is shared by its children, and every page that it or
they write is not.
"""

import contextlib
import errno
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

MAX_PACKET = 64 * 1024
MAX_DESCRIPTORS = 64
_PAUSE = 10  # milliseconds without a request, after which the next process is forked ahead
_PR_SET_DUMPABLE = 4

Entry = Callable[[dict[str, Any], list[int]], object]
"""An entry point: gets the arguments of the request and the descriptors; the process ends when it returns."""


def main() -> None:
    """Prepare, answer requests until the other side is gone, and leave; children live on."""
    _scrub()
    server = socket.socket(fileno=int(sys.argv[1]))
    server.set_inheritable(False)
    try:
        request = json.loads(server.recv(MAX_PACKET))
        entries = _load(request)
    except Exception as error:
        _answer(server, {"error": f"{type(error).__name__}: {error}"})
        raise
    gc.collect()
    gc.freeze()
    _answer(server, {"ready": os.getpid()})
    Template(server, entries, request.get("spare")).run()


def _scrub() -> None:
    """Nothing of the one who started us reaches the children: descriptors, signals, mask, umask, environment."""
    os.close(int(sys.argv[2]))
    os.environ.pop("LD_LIBRARY_PATH", None)  # noqa: TID251 - our own start needed it, nobody else's
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o077)
    os.chdir("/")


@contextlib.contextmanager
def _without_signatures() -> Iterator[None]:
    """Each dataclass asks `inspect` for its signature, to say it in its documentation, which nobody reads here.

    With what it loads in its turn, `inspect` would be a megabyte.
    """
    stand_in = types.ModuleType("inspect")
    stand_in.signature = lambda _class: ""  # type: ignore[attr-defined]
    sys.modules["inspect"] = stand_in
    try:
        yield
    finally:
        del sys.modules["inspect"]


def _load(request: dict[str, Any]) -> dict[str, Entry]:
    sys.path.extend(entry for entry in request["path"] if entry not in sys.path)
    # Imported here, since only now the path leads to it.
    calls = importlib.import_module("boxship.linux.calls")
    calls.libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write("boxship-zygote")
    with _without_signatures():
        modules = {target: importlib.import_module(target.partition(":")[0]) for target in request["entries"].values()}
    for module in modules.values():
        prepare = getattr(module, "prepare", None)
        if prepare is not None:
            prepare()
    # The cache of attributes holds names that the imports looked up. A child that fills it anew lets go of each of
    # them, and writes to the page of a string that it never uses.
    sys._clear_type_cache()
    return {name: getattr(modules[target], target.partition(":")[2]) for name, target in request["entries"].items()}


class Template:
    """What forks."""

    def __init__(self, server: socket.socket, entries: dict[str, Entry], spare: str | None) -> None:
        self._server, self._entries = server, entries
        self._spared = spare  # the entry of which one stands by
        self._spare: tuple[int, socket.socket] | None = None

    def run(self) -> None:
        """Until there is nobody left to ask."""
        idle = select.poll()
        idle.register(self._server, select.POLLIN)
        wait = None
        while True:
            if idle.poll(wait):
                if not self._serve():
                    return
            else:
                self._stand_by()
            wait = _PAUSE if self._spared is not None and self._spare is None else None

    def _serve(self) -> bool:
        """Answer one request. False when there is nobody left to ask."""
        try:
            packet, fds, flags, _ = socket.recv_fds(self._server, MAX_PACKET, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:  # gone before it read our last answer
            return False
        if not packet:
            return False
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                answer: dict[str, Any] = {"error": "the request is too big"}
            else:
                answer = {"pid": self._spawn(json.loads(packet), packet, fds)}
        except (KeyError, ValueError) as error:
            answer = {"error": f"bad request: {error!r}"}
        except OSError as error:
            answer = {"error": f"fork: {error.strerror}", "errno": error.errno}
        finally:
            for fd in fds:
                os.close(fd)
        _answer(self._server, answer)
        return True

    def _spawn(self, request: dict[str, Any], packet: bytes, fds: list[int]) -> int:
        entry, arguments = self._entries[request["entry"]], request["arguments"]
        if request["entry"] == self._spared and self._spare is not None:
            pid, way = self._spare
            self._spare = None
            # One that has died in the meantime has taken nothing with it.
            with way, contextlib.suppress(OSError):
                socket.send_fds(way, [packet], fds, socket.MSG_NOSIGNAL)
                return pid
        return _bear(lambda: self._become(lambda: entry(arguments, fds)))

    def _stand_by(self) -> None:
        """Fork one ahead. Without memory for it, requests will tell."""
        assert self._spared is not None
        module = sys.modules[self._entries[self._spared].__module__]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = _bear(lambda: self._become(lambda: module.stand_by(lambda: _receive(ours, theirs))))
            except OSError:
                ours.close()
                self._spared = None
            else:
                self._spare = (pid, ours)

    def _become(self, work: Callable[[], object]) -> NoReturn:
        """In the child."""
        status = 1
        try:
            self._server.close()
            os.setsid()
            work()
            status = 0
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)


def _receive(ours: socket.socket, theirs: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The request of one that stands by. Leaves when none will come."""
    ours.close()
    with theirs:
        packet, fds, _, _ = socket.recv_fds(theirs, MAX_PACKET, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    if not packet:
        sys.exit(0)
    return json.loads(packet)["arguments"], fds


def _bear(become: Callable[[], NoReturn]) -> int:
    """Fork twice, so that the child's parent is init; its pid. The one in the middle tells it. Raises OSError."""
    told, tell = os.pipe2(os.O_CLOEXEC)
    try:
        middle = _fork()
        if not middle:
            try:
                pid = _fork()
                if not pid:
                    os.close(told)
                    os.close(tell)
                    become()
                os.write(tell, b"%d" % pid)
            finally:
                os._exit(0)
        os.close(tell)
        tell = -1
        pid_or_nothing = os.read(told, 32)
        os.waitpid(middle, 0)
    finally:
        os.close(told)
        if tell >= 0:
            os.close(tell)
    if not pid_or_nothing:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return int(pid_or_nothing)


def _fork() -> int:
    """fork(2) itself. os.fork calls what modules want to be done after it, which is about threads and their locks.

    We have one thread, and each page that is written here is one more in every child.
    """
    calls = importlib.import_module("boxship.linux.calls")
    pid: int = calls.held_libc.fork()
    if pid < 0:
        raise calls.error("fork")
    return pid


def _answer(server: socket.socket, answer: dict[str, Any]) -> None:
    # Whoever asked may be gone: SIGPIPE would kill us, and there is nobody else to tell.
    with contextlib.suppress(OSError):
        server.send(json.dumps(answer).encode(), socket.MSG_NOSIGNAL)


if __name__ == "__main__":
    main()
