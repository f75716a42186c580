"""The template process. Started by `client` as a script: `python -I -S template.py SOCKET IMAGE`, both descriptors.

What it and its client say to each other is one JSON object per packet of a SOCK_SEQPACKET socket. The first packet
goes to the template: {"path": [...], "entries": {name: "module:function"}}. It answers {"ready": pid}, or
{"error": text} and leaves. After that, each {"entry", "arguments"} with its descriptors in SCM_RIGHTS is answered with
{"pid"} or {"error", "errno"}.

It must stay single-threaded and small: every page that it holds is shared by its children, and every page that it or
they write is not.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

MAX_PACKET = 64 * 1024
MAX_DESCRIPTORS = 64
_PR_SET_DUMPABLE = 4

Entry = Callable[[dict[str, Any], list[int]], object]
"""An entry point: gets the arguments of the request and the descriptors; the process ends when it returns."""


def main() -> None:
    """Prepare, answer requests until the other side is gone, and leave; children live on."""
    _scrub()
    server = socket.socket(fileno=int(sys.argv[1]))
    server.set_inheritable(False)
    try:
        entries = _load(json.loads(server.recv(MAX_PACKET)))
    except Exception as error:
        _answer(server, {"error": f"{type(error).__name__}: {error}"})
        raise
    gc.collect()
    gc.freeze()
    _answer(server, {"ready": os.getpid()})
    while _serve(server, entries):
        pass


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


def _serve(server: socket.socket, entries: dict[str, Entry]) -> bool:
    """Answer one request. False when there is nobody left to ask."""
    try:
        packet, fds, flags, _ = socket.recv_fds(server, MAX_PACKET, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # gone before it read our last answer
        return False
    if not packet:
        return False
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            _answer(server, {"error": "the request is too big"})
        else:
            request = json.loads(packet)
            _spawn(server, entries[request["entry"]], request["arguments"], fds)
    except (KeyError, ValueError) as error:
        _answer(server, {"error": f"bad request: {error!r}"})
    except OSError as error:
        _answer(server, {"error": f"fork: {error.strerror}", "errno": error.errno})
    finally:
        for fd in fds:
            os.close(fd)
    return True


def _spawn(server: socket.socket, entry: Entry, arguments: dict[str, Any], fds: list[int]) -> None:
    """Fork twice, so that the child's parent is init. The one in the middle tells the pid."""
    middle = _fork()
    if middle:
        os.waitpid(middle, 0)
        return
    try:
        pid = _fork()
        if not pid:
            _run(server, entry, arguments, fds)
        _answer(server, {"pid": pid})
    except OSError as error:
        _answer(server, {"error": f"fork: {error.strerror}", "errno": error.errno})
    finally:
        os._exit(0)


def _fork() -> int:
    """fork(2) itself. os.fork calls what modules want to be done after it, which is about threads and their locks.

    We have one thread, and each page that is written here is one more in every child.
    """
    calls = importlib.import_module("boxship.linux.calls")
    pid: int = calls.held_libc.fork()
    if pid < 0:
        raise calls.error("fork")
    return pid


def _run(server: socket.socket, entry: Entry, arguments: dict[str, Any], fds: list[int]) -> NoReturn:
    status = 1
    try:
        server.close()
        os.setsid()
        entry(arguments, fds)
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _answer(server: socket.socket, answer: dict[str, Any]) -> None:
    # Whoever asked may be gone: SIGPIPE would kill us, and there is nobody else to tell.
    with contextlib.suppress(OSError):
        server.send(json.dumps(answer).encode(), socket.MSG_NOSIGNAL)


if __name__ == "__main__":
    main()
