"""Where the time of one section goes: processor time by party, and by the functions of our daemon."""

import os
import pathlib
import resource
import time
from collections.abc import Callable

import memory

TICK = 1 / os.sysconf("SC_CLK_TCK")


def of(daemon: int, work: Callable[[], None]) -> str:
    """Do the work and tell who used the processors meanwhile; `daemon` is its number."""
    helpers = memory.family(daemon) - {daemon}
    before, began = _used(daemon, helpers), time.perf_counter()
    work()
    took = time.perf_counter() - began
    after = _used(daemon, helpers)
    used = {party: after[party] - before[party] for party in before}
    used["shims, containers, the kernel and others"] = used.pop("machine") - sum(used.values())
    lines = [f"{took:.2f} s, in which processors worked for {sum(used.values()):.2f} s:"]
    lines += [f"  {seconds:7.2f} s  {party}" for party, seconds in used.items()]
    return "\n".join(lines)


def _used(daemon: int, helpers: set[int]) -> dict[str, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "daemon": _ticks(daemon),
        "its helpers": sum(map(_ticks, helpers)),
        "clients": children.ru_utime + children.ru_stime,
        "this program": ours.ru_utime + ours.ru_stime,
        "machine": _machine(),
    }


def _ticks(pid: int) -> float:
    """User and system time of a process, with those of its children that it has waited for."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) * TICK


def _machine() -> float:
    """All but idle and waiting for disks."""
    user, nice, system, _idle, _wait, *rest = map(
        int, pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + sum(rest[:3])) * TICK
