"""Counters of a version 2 group in the shape of io.containerd.cgroups.v2.Metrics."""

import os
from typing import Any

from boxship.linux import cgroupfiles, cgroupstats1

_CPU = (
    "usage_usec", "user_usec", "system_usec", "nr_periods", "nr_throttled", "throttled_usec", "nr_bursts", "burst_usec",
)  # fmt: skip
_MEMORY = (
    "anon", "file", "kernel_stack", "slab", "sock", "shmem", "file_mapped", "file_dirty", "file_writeback",
    "anon_thp", "inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable", "slab_reclaimable",
    "slab_unreclaimable", "pgfault", "pgmajfault", "workingset_refault", "workingset_activate",
    "workingset_nodereclaim", "pgrefill", "pgscan", "pgsteal", "pgactivate", "pgdeactivate", "pglazyfree",
    "pglazyfreed", "thp_fault_alloc", "thp_collapse_alloc",
)  # fmt: skip
_EVENTS = ("low", "high", "max", "oom", "oom_kill", "oom_group_kill")


def read(folder: str) -> dict[str, Any]:
    """Whatever of the group's controllers can be read."""
    controllers = cgroupfiles.read(os.path.join(folder, "cgroup.controllers")).split()
    found: dict[str, Any] = {}
    if "pids" in controllers:
        found["pids"] = {
            "current": cgroupfiles.read_number(os.path.join(folder, "pids.current")),
            "limit": cgroupfiles.read_number(os.path.join(folder, "pids.max")),
        }
    # cpu.stat counts time without the controller, too
    stat = cgroupfiles.pairs(cgroupfiles.read(os.path.join(folder, "cpu.stat")))
    found["cpu"] = {name: stat.get(name, 0) for name in _CPU} | _pressure(folder, "cpu")
    if "memory" in controllers:
        found["memory"] = _memory(folder)
        events = cgroupfiles.pairs(cgroupfiles.read(os.path.join(folder, "memory.events")))
        found["memory_events"] = {name: events.get(name, 0) for name in _EVENTS}
    if "rdma" in controllers:
        found["rdma"] = cgroupstats1.rdma(folder)
    if "io" in controllers:
        found["io"] = _io(folder)
    if "hugetlb" in controllers:
        found["hugetlb"] = _hugetlb(folder)
    return found


def _memory(folder: str) -> dict[str, Any]:
    stat = cgroupfiles.pairs(cgroupfiles.read(os.path.join(folder, "memory.stat")))
    found: dict[str, Any] = {name: stat.get(name, 0) for name in _MEMORY}
    for name in ("workingset_refault", "workingset_activate"):
        # split in two since Linux 5.9
        found[name] = stat.get(name, stat.get(f"{name}_anon", 0) + stat.get(f"{name}_file", 0))
    for key, file in (
        ("usage", "memory.current"),
        ("usage_limit", "memory.max"),
        ("max_usage", "memory.peak"),
        ("swap_usage", "memory.swap.current"),
        ("swap_limit", "memory.swap.max"),
        ("swap_max_usage", "memory.swap.peak"),
    ):
        found[key] = cgroupfiles.read_number(os.path.join(folder, file))
    return found | _pressure(folder, "memory")


_IO = (("rbytes", "rbytes"), ("wbytes", "wbytes"), ("rios", "rios"), ("wios", "wios"))


def _io(folder: str) -> dict[str, Any]:
    usage: list[dict[str, Any]] = []
    for line in cgroupfiles.read(os.path.join(folder, "io.stat")).splitlines():
        device, *words = line.split()
        major, _, minor = device.partition(":")
        if not (major.isdigit() and minor.isdigit()):
            continue
        values = dict(word.partition("=")[::2] for word in words)
        entry: dict[str, Any] = {"major": int(major), "minor": int(minor)}
        entry |= {key: cgroupfiles.number(values.get(name, "0")) for key, name in _IO}
        usage.append(entry)
    return {"usage": usage} | _pressure(folder, "io")


def _pressure(folder: str, name: str) -> dict[str, Any]:
    """{"psi": {"some": {…}, "full": {…}}} where the kernel counts it, else {}."""
    found: dict[str, Any] = {}
    for line in cgroupfiles.read(os.path.join(folder, f"{name}.pressure")).splitlines():
        kind, *words = line.split()
        values = dict(word.partition("=")[::2] for word in words)
        found[kind] = {key: float(values.get(key, "0")) for key in ("avg10", "avg60", "avg300")} | {
            "total": cgroupfiles.number(values.get("total", "0"))
        }
    return {"psi": found} if found else {}


def _hugetlb(folder: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in sorted(os.listdir(folder)):
        if name.startswith("hugetlb.") and name.endswith(".current") and ".rsvd." not in name:
            prefix = os.path.join(folder, name[: -len(".current")])
            events = cgroupfiles.pairs(cgroupfiles.read(prefix + ".events"))
            found.append(
                {
                    "current": cgroupfiles.read_number(prefix + ".current"),
                    "max": cgroupfiles.read_number(prefix + ".max"),
                    "failcnt": events.get("max", 0),
                    "pagesize": name.split(".")[1],
                }
            )
    return found
