"""Everything on the machine that belongs to one engine, counted: what a container could leave behind."""

import collections
import os
import pathlib
import threading
import time
from typing import Any

from integration.system import engines

_A_WHILE = 2.5  # seconds; more than a shim waits for its next life
_DATABASES = (".sqlite", ".db", "-wal", "-shm")
_POOL = 9  # connections: eight idle ones and the one that writes


def take(engine: engines.Engine) -> dict[str, Any]:
    """By the name of the sort."""
    own = _family(engine.pid)
    living = engine.processes() | own
    inside = {pid for pid in living if pid not in own}
    return {
        "processes": len(living),
        "zombies": sum(_state(pid) == "Z" for pid in engines.pids() if _parent(pid) in living),
        "mounts": sum(f" {engine.home}/" in line for pid in own for line in _lines(f"/proc/{pid}/mountinfo")),
        "control groups": sum(
            len(below) for at, below, _ in os.walk("/sys/fs/cgroup") if at.endswith(f"/{engine.namespace}")
        ),
        "network namespaces": len({_link(f"/proc/{pid}/ns/net") for pid in inside}) + _held_namespaces(living),
        "sockets": _sockets(engine),
        "files in state": _tree(engine.home / "state"),
        "files in root": _tree(engine.home / "root", without=("meta.db", ".db-wal", ".db-shm")),
        "temporary files": _tree(engine.home / "tmp"),
        "descriptors of the daemon": _descriptors(engine.pid),
        "descriptors of its helpers": sum(_descriptors(pid) for pid in own - {engine.pid}),
        "our descriptors": len(os.listdir("/proc/self/fd")),
        "our threads": threading.active_count(),
    }


def at_rest(engine: engines.Engine) -> dict[str, Any]:
    """What there is once nothing has changed for a while: what the collector takes away goes a moment later."""
    found, since = take(engine), time.monotonic()

    def same() -> bool:
        nonlocal found, since
        again = take(engine)
        if again != found:
            found, since = again, time.monotonic()
        return time.monotonic() - since > _A_WHILE

    engines.until(same, "rest")
    return found


def settles(engine: engines.Engine, wanted: dict[str, Any]) -> None:
    """Wait until there is nothing more than there was; less is well, since idle helpers go. What differs is shown."""
    found: dict[str, Any] = {}

    def nothing_more() -> bool:
        found.update(take(engine))
        return not any(_more(wanted[sort], found[sort]) for sort in wanted)

    try:
        engines.until(nothing_more, "the end of all that was")
    except AssertionError:
        differs = {sort: (wanted[sort], found[sort]) for sort in wanted if _more(wanted[sort], found[sort])}
        told = {sort: _more(*each) if isinstance(each[0], list) else each for sort, each in differs.items()}
        opened = _open(engine.pid), _open(os.getpid())
        raise AssertionError(f"more than before: {told}; the daemon and we have open: {opened}") from None


def _more(before: Any, after: Any) -> Any:
    """What is new of names; by how much a number has grown."""
    if isinstance(before, list):
        return [each for each in after if each not in before]
    return max(0, after - before)


def _family(pid: int) -> set[int]:
    """The daemon and its own children, which are no shims: the zygote."""
    return {pid} | {each for each in engines.pids() if _parent(each) == pid}


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["", "-1"])[1])


def _state(pid: int) -> str:
    return (_stat(pid) or [""])[0]


def _stat(pid: int) -> list[str]:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _lines(path: str) -> list[str]:
    try:
        return pathlib.Path(path).read_text().splitlines()
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _held_namespaces(pids: set[int]) -> int:
    return sum(link.startswith("net:") for pid in pids for link in _open(pid).elements())


def _sockets(engine: engines.Engine) -> int:
    """Listening at a path of ours, or a name without a path."""
    return sum(f" {engine.home}/" in line for line in _lines("/proc/net/unix"))


def _tree(folder: pathlib.Path, without: tuple[str, ...] = ()) -> list[str]:
    """The names of everything below; what is in an image or a log counts too."""
    found = []
    for base, folders, files in os.walk(folder):
        found += [os.path.join(base, name) for name in (*folders, *files) if not name.endswith(without or "\0")]
    return sorted(found)


def _descriptors(pid: int) -> int:
    """Of a database only what is above its pool: how many connections that keeps is the load's affair, up to a bound."""
    return sum(max(0, count - _POOL) if name.endswith(_DATABASES) else count for name, count in _open(pid).items())


def _open(pid: int) -> "collections.Counter[str]":
    """What a process has open."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return collections.Counter()
    return collections.Counter(filter(None, (_link(f"/proc/{pid}/fd/{name}").partition(":[")[0] for name in names)))
