"""The template process. Started by `client` as a script: `python -I -S template.py SOCKET IMAGE`, both descriptors.

What it and its client say to each other goes by packets of a SOCK_SEQPACKET socket. The first is a JSON object for the
template: {"path": [...], "entries": {name: "module:function"}, "spare": name or null}. It answers {"ready": pid}, or
{"error": text} and leaves. After that, each request is the name of an entry, a line feed, and a JSON object of
arguments, with its descriptors in SCM_RIGHTS, and is answered with {"pid"} or {"error", "errno"}.

Of one entry there are processes that stand by, in the function `stand_by` of its module, and a request is passed on to
one of them. When there is none, the template forks one ahead as soon as it has had nothing to do for a moment. A process
that has done its work may stand by again: it has the memory already that a new one needs most of its time to get. Such
ones leave when no request has come for a while.

It must stay single-threaded and small: every page that it holds is shared by its children, and every page that it or
they write is not. Between two forks it touches as little as it can: what it writes to then is shared with the next
children, and the last one is left alone with what was there before. So there is no JSON, and no method that is written
in Python.
"""

import array
import contextlib
import ctypes
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
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

MAX_PACKET = 64 * 1024
MAX_DESCRIPTORS = 64
_IN, _CLOSE_ON_EXEC, _NO_SIGNAL = select.POLLIN, int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_NOSIGNAL)
_CUT = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)
_libc_fork = ctypes.PyDLL(None, use_errno=True).fork
_PAUSE = 40  # milliseconds without a request, after which the next process is forked ahead; not while one is made
_REST = 2000  # milliseconds without a request, after which those leave that have worked before
_CROWD = 16  # of them at most
_PR_SET_DUMPABLE = 4

Entry = Callable[[dict[str, Any], list[int]], object]
"""An entry point: gets the arguments of the request and the descriptors; the process ends when it returns."""
Request = tuple[dict[str, Any], list[int]]
"""Arguments and descriptors."""


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
    # What is still to be imported in a child is looked for anew there; all that take it away would touch it.
    sys.path_importer_cache.clear()
    # The cache of attributes holds names that the imports looked up. A child that fills it anew lets go of each of
    # them, and writes to the page of a string that it never uses.
    sys._clear_type_cache()
    return {name: getattr(modules[target], target.partition(":")[2]) for name, target in request["entries"].items()}


class Template:
    """What forks."""

    def __init__(self, server: socket.socket, entries: dict[str, Entry], spare: str | None) -> None:
        self._server = server
        self._entries = {name.encode(): entry for name, entry in entries.items()}
        self._spared = b"" if spare is None else spare.encode()  # the entry of those that stand by
        self._standing: list[tuple[socket.socket, bytes]] = []  # the ways to them, and their pids
        self._worked = False  # whether there are some among them that have worked before
        self._poor = False  # whether there was no process to be had for standing by, when last asked for anything
        self._returns, self._offers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._space = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)

    def run(self) -> None:
        """Until there is nobody left to ask."""
        idle = select.poll()
        server, returns = self._server.fileno(), self._returns.fileno()
        idle.register(server, _IN)
        idle.register(returns, _IN)
        wait = None
        while True:
            ready = idle.poll(wait)
            if not ready:
                self._rest()
            for fd, _ in ready:
                if fd == returns:
                    self._take_back()
                elif not self._serve():
                    return
            wait = self._patience()

    def _patience(self) -> int | None:
        """Milliseconds until `_rest`."""
        if self._worked:
            return _REST
        return _PAUSE if self._spared and not self._standing and not self._poor else None

    def _rest(self) -> None:
        """Nothing has come for a while: leave one, that shares its memory with us."""
        if self._worked:
            self._worked = False
            while self._standing:
                os.close(self._standing.pop()[0].detach())
        self._fork_ahead()

    def _take_back(self) -> None:
        """One offers to stand by again. It leaves when the way to it is closed."""
        pid, ancillary, _, _ = self._returns.recvmsg(32, self._space, _CLOSE_ON_EXEC)
        if not ancillary:  # we have no descriptor left for it
            return
        way = socket.socket(fileno=int.from_bytes(ancillary[0][2], sys.byteorder))
        if len(self._standing) < _CROWD:
            self._standing.append((way, pid))
            self._worked = True
        else:
            way.close()

    def _serve(self) -> bool:
        """Answer one request. False when there is nobody left to ask."""
        self._poor = False
        try:
            packet, ancillary, flags, _ = self._server.recvmsg(MAX_PACKET, self._space, _CLOSE_ON_EXEC)
        except ConnectionResetError:  # gone before it read our last answer
            return False
        if not packet:
            return False
        fds = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        try:
            if flags & _CUT:
                _answer(self._server, {"error": "the request is too big"})
            else:
                self._spawn(packet, ancillary, fds)
        except OSError as error:
            _answer(self._server, {"error": f"fork: {error.strerror}", "errno": error.errno})
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _spawn(self, packet: bytes, ancillary: list[tuple[int, int, bytes]], fds: Sequence[int]) -> None:
        name, _, arguments = packet.partition(b"\n")
        if name == self._spared:
            pid = self._pass_on(arguments, ancillary) or self._make_one(lambda: (json.loads(arguments), list(fds)))
        elif name in self._entries:
            entry = self._entries[name]
            pid = _bear(self._become, lambda: self._run(entry, json.loads(arguments), list(fds)))
        else:
            _answer(self._server, {"error": f"no entry point {name!r}"})
            return
        self._tell(pid)

    def _pass_on(self, arguments: bytes, ancillary: list[tuple[int, int, bytes]]) -> bytes:
        """To one that stands by, the last one first, whose memory is in the caches; its pid, or nothing."""
        while self._standing:
            way, pid = self._standing.pop()
            try:
                way.sendmsg((arguments,), ancillary, _NO_SIGNAL)
            except OSError:
                continue  # it has died in the meantime, and taken nothing with it
            finally:
                os.close(way.detach())
            return pid
        self._worked = False
        return b""

    def _tell(self, pid: bytes) -> None:
        try:  # noqa: SIM105 - contextlib's way touches more
            self._server.send(b'{"pid": %b}' % pid, _NO_SIGNAL)
        except OSError:
            pass  # whoever asked is gone

    def _fork_ahead(self) -> None:
        """Have one stand by. Where there is none to be had, it is tried again after the next request."""
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            self._poor = True
            return
        try:
            self._standing.append((ours, self._make_one(lambda: _receive(ours, theirs))))
        except OSError:
            ours.close()
            self._poor = True
        finally:
            theirs.close()

    def _make_one(self, first: Callable[[], Request | None]) -> bytes:
        """A process of those that stand by, with its first request. Its pid. Raises OSError."""
        module = sys.modules[self._entries[self._spared].__module__]
        return _bear(self._become, lambda: module.stand_by(_requests(first, b"%d" % os.getpid(), self._offers)))

    def _run(self, entry: Entry, arguments: dict[str, Any], fds: list[int]) -> None:
        self._offers.close()
        entry(arguments, fds)

    def _become(self, work: Callable[[], object]) -> NoReturn:
        """In the child."""
        status = 1
        try:
            os.close(self._server.detach())
            os.close(self._returns.detach())
            for way, _ in self._standing:
                os.close(way.detach())
            os.setsid()
            work()
            status = 0
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)


def _requests(first: Callable[[], Request | None], pid: bytes, offers: socket.socket) -> Iterator[Request]:
    """All that the process `pid` is asked for. By wanting the next one it offers to stand by again."""
    request = first()
    while request is not None:
        yield request
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            try:
                socket.send_fds(offers, (pid,), (ours.fileno(),), _NO_SIGNAL | socket.MSG_DONTWAIT)
            except OSError:
                return  # the template has gone, or is too busy
            request = _receive(ours, theirs)


def _receive(ours: socket.socket, theirs: socket.socket) -> Request | None:
    """What is sent to one that stands by; None when nothing will be."""
    ours.close()
    with theirs:
        arguments, fds, _, _ = socket.recv_fds(theirs, MAX_PACKET, MAX_DESCRIPTORS, _CLOSE_ON_EXEC)
    return (json.loads(arguments), fds) if arguments else None


def _bear(become: Callable[[Callable[[], object]], NoReturn], work: Callable[[], object]) -> bytes:
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
                    become(work)
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
    return pid_or_nothing


def _fork() -> int:
    """fork(2) itself. os.fork calls what modules want to be done after it, which is about threads and their locks.

    We have one thread, and each page that is written here is one more in every child.
    """
    pid: int = _libc_fork()
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return pid


def _answer(server: socket.socket, answer: dict[str, Any]) -> None:
    # Whoever asked may be gone: SIGPIPE would kill us, and there is nobody else to tell.
    with contextlib.suppress(OSError):
        server.send(json.dumps(answer).encode(), socket.MSG_NOSIGNAL)


if __name__ == "__main__":
    main()
