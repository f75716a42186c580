"""Counters of version 1 groups in the shape of io.containerd.cgroups.v1.Metrics."""

import os
from collections.abc import Mapping
from typing import Any

from boxship.linux import cgroupfiles

_TICKS = os.sysconf("SC_CLK_TCK")
_NANOSECONDS_PER_TICK = 1_000_000_000 // _TICKS


def read(paths: Mapping[str, str]) -> dict[str, Any]:
    """Whatever of the controllers in `paths` can be read."""
    found: dict[str, Any] = {}
    if folder := paths.get("pids"):
        found["pids"] = _pids(folder)
    if "cpu" in paths or "cpuacct" in paths:
        found["cpu"] = _cpu(paths.get("cpu"), paths.get("cpuacct"))
    if folder := paths.get("memory"):
        found["memory"] = memory(folder)
        found["memory_oom_control"] = _oom_control(folder)
    if folder := paths.get("blkio"):
        found["blkio"] = _block(folder)
    if folder := paths.get("hugetlb"):
        found["hugetlb"] = _hugetlb(folder)
    if folder := paths.get("rdma"):
        found["rdma"] = rdma(folder)
    return found


def _pids(folder: str) -> dict[str, int]:
    limit = cgroupfiles.read(os.path.join(folder, "pids.max")).strip()
    return {
        "current": cgroupfiles.read_number(os.path.join(folder, "pids.current")),
        "limit": 0 if limit == "max" else cgroupfiles.number(limit),
    }


def _cpu(cpu: str | None, account: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if account:
        times = cgroupfiles.pairs(cgroupfiles.read(os.path.join(account, "cpuacct.stat")))
        per_cpu = cgroupfiles.read(os.path.join(account, "cpuacct.usage_percpu")).split()
        found["usage"] = {
            "total": cgroupfiles.read_number(os.path.join(account, "cpuacct.usage")),
            "kernel": times.get("system", 0) * _NANOSECONDS_PER_TICK,
            "user": times.get("user", 0) * _NANOSECONDS_PER_TICK,
            "per_cpu": [cgroupfiles.number(word) for word in per_cpu],
        }
    if cpu:
        stat = cgroupfiles.pairs(cgroupfiles.read(os.path.join(cpu, "cpu.stat")))
        found["throttling"] = {
            "periods": stat.get("nr_periods", 0),
            "throttled_periods": stat.get("nr_throttled", 0),
            "throttled_time": stat.get("throttled_time", 0),
        }
    return found


# field of MemoryStat <- line of memory.stat
_MEMORY = (
    "cache", "rss", "rss_huge", "mapped_file", "dirty", "writeback", "pgpgin", "pgpgout", "pgfault", "pgmajfault",
    "inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable", "hierarchical_memory_limit",
    "hierarchical_memsw_limit", "total_cache", "total_rss", "total_rss_huge", "total_mapped_file", "total_dirty",
    "total_writeback", "total_pgpgin", "total_pgpgout", "total_pgfault", "total_pgmajfault", "total_inactive_anon",
    "total_active_anon", "total_inactive_file", "total_active_file", "total_unevictable",
)  # fmt: skip
_MEMORY_NAMES = {
    "pgpgin": "pg_pg_in",
    "pgpgout": "pg_pg_out",
    "pgfault": "pg_fault",
    "pgmajfault": "pg_maj_fault",
    "total_pgpgin": "total_pg_pg_in",
    "total_pgpgout": "total_pg_pg_out",
    "total_pgfault": "total_pg_fault",
    "total_pgmajfault": "total_pg_maj_fault",
    "hierarchical_memsw_limit": "hierarchical_swap_limit",
}


def memory(folder: str) -> dict[str, Any]:
    stat = cgroupfiles.pairs(cgroupfiles.read(os.path.join(folder, "memory.stat")))
    found: dict[str, Any] = {_MEMORY_NAMES.get(name, name): stat.get(name, 0) for name in _MEMORY}
    for key, prefix in (
        ("usage", "memory"),
        ("swap", "memory.memsw"),
        ("kernel", "memory.kmem"),
        ("kernel_tcp", "memory.kmem.tcp"),
    ):
        if os.path.exists(os.path.join(folder, prefix + ".usage_in_bytes")):
            found[key] = _memory_entry(os.path.join(folder, prefix))
    return found


def _memory_entry(prefix: str) -> dict[str, int]:
    return {
        "usage": cgroupfiles.read_number(prefix + ".usage_in_bytes"),
        "max": cgroupfiles.read_number(prefix + ".max_usage_in_bytes"),
        "failcnt": cgroupfiles.read_number(prefix + ".failcnt"),
        "limit": cgroupfiles.read_number(prefix + ".limit_in_bytes"),
    }


def _oom_control(folder: str) -> dict[str, int]:
    stat = cgroupfiles.pairs(cgroupfiles.read(os.path.join(folder, "memory.oom_control")))
    return {
        "oom_kill_disable": stat.get("oom_kill_disable", 0),
        "under_oom": stat.get("under_oom", 0),
        "oom_kill": stat.get("oom_kill", 0),
    }


_BLOCK = (
    ("io_service_bytes_recursive", ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")),
    ("io_serviced_recursive", ("blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced")),
    ("io_queued_recursive", ("blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive")),
    ("io_service_time_recursive", ("blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive")),
    ("io_wait_time_recursive", ("blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive")),
    ("io_merged_recursive", ("blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive")),
    ("io_time_recursive", ("blkio.bfq.time_recursive", "blkio.time_recursive")),
    ("sectors_recursive", ("blkio.bfq.sectors_recursive", "blkio.sectors_recursive")),
)


def _block(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, files in _BLOCK:
        text = next((text for file in files if (text := cgroupfiles.read(os.path.join(folder, file)))), "")
        found[key] = [entry for line in text.splitlines() if (entry := _block_entry(line))]
    return found


def _block_entry(line: str) -> dict[str, Any] | None:
    """`8:0 Read 4096` or `8:0 4096`; the sum over all devices is left out."""
    words = line.split()
    if len(words) < 2 or ":" not in words[0]:
        return None
    major, _, minor = words[0].partition(":")
    operation = words[1] if len(words) > 2 else ""
    return {
        "op": operation,
        "device": device_name(int(major), int(minor)),
        "major": int(major),
        "minor": int(minor),
        "value": int(words[-1]),
    }


def device_name(major: int, minor: int) -> str:
    """`/dev/sda` of 8:0, or '' when the kernel shows no such device."""
    try:
        return "/dev/" + os.path.basename(os.readlink(f"/sys/dev/block/{major}:{minor}"))
    except OSError:
        return ""


def _hugetlb(folder: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in sorted(os.listdir(folder)):
        if name.startswith("hugetlb.") and name.endswith(".usage_in_bytes") and ".rsvd." not in name:
            prefix = os.path.join(folder, name[: -len(".usage_in_bytes")])
            found.append(
                {
                    "usage": cgroupfiles.read_number(prefix + ".usage_in_bytes"),
                    "max": cgroupfiles.read_number(prefix + ".max_usage_in_bytes"),
                    "failcnt": cgroupfiles.read_number(prefix + ".failcnt"),
                    "pagesize": name.split(".")[1],
                }
            )
    return found


def rdma(folder: str) -> dict[str, Any]:
    return {
        "current": _rdma_entries(cgroupfiles.read(os.path.join(folder, "rdma.current"))),
        "limit": _rdma_entries(cgroupfiles.read(os.path.join(folder, "rdma.max"))),
    }


def _rdma_entries(text: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for line in text.splitlines():
        device, *words = line.split()
        values = dict(word.partition("=")[::2] for word in words)
        limit = (1 << 32) - 1
        handles, objects = (
            min(cgroupfiles.number(values.get(name, "0")), limit) for name in ("hca_handle", "hca_object")
        )
        entries.append({"device": device, "hca_handles": handles, "hca_objects": objects})
    return entries
