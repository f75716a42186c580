"""Control groups of version 1: what a `resources` object of the OCI spec writes into which controller's files.

Sources: OCI runtime-spec config-linux.md "Control groups"; the kernel's admin-guide/cgroup-v1.
"""

import itertools
import operator
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from boxship.linux import cgroupfiles, devicerules

Setting = tuple[str, str, str]  # controller, file, value


_ALL_DEVICES = "a *:* rwm"
_BFQ = {"blkio.weight": "blkio.bfq.weight", "blkio.weight_device": "blkio.bfq.weight_device"}


def spelled(folder: str, file: str) -> str:
    """The file's name in a cgroup's folder: weights are BFQ's where the kernel has no CFQ, which left in Linux 5.0."""
    other = _BFQ.get(file)
    return other if other and not os.path.exists(os.path.join(folder, file)) else file


def settings(resources: Mapping[str, Any]) -> Iterator[Setting]:
    """What to write, in order; the memory limits come apart from it, since their order depends on the present ones."""
    yield from _cpu(resources.get("cpu") or {})
    yield from _memory(resources.get("memory") or {})
    pids = resources.get("pids") or {}
    limit = pids.get("limit")
    if limit:
        yield "pids", "pids.max", str(limit) if limit > 0 else "max"
    yield from _block(resources.get("blockIO") or {})
    for page in resources.get("hugepageLimits") or ():
        yield "hugetlb", f"hugetlb.{page['pageSize']}.limit_in_bytes", str(page["limit"])
    network = resources.get("network") or {}
    if network.get("classID"):
        yield "net_cls", "net_cls.classid", str(network["classID"])
    for item in network.get("priorities") or ():
        yield "net_prio", "net_prio.ifpriomap", f"{item['name']} {item['priority']}"
    for device, limits in (resources.get("rdma") or {}).items():
        yield "rdma", "rdma.max", rdma(device, limits)


def rdma(device: str, limits: Mapping[str, Any]) -> str:
    words = [device]
    if limits.get("hcaHandles") is not None:
        words.append(f"hca_handle={limits['hcaHandles']}")
    if limits.get("hcaObjects") is not None:
        words.append(f"hca_object={limits['hcaObjects']}")
    return " ".join(words)


def check_shares(folder: str, wanted: str) -> None:
    """The kernel takes any number and keeps the nearest that it allows. Raises ValueError when that is another."""
    kept = cgroupfiles.read_number(os.path.join(folder, "cpu.shares"))
    if kept != int(wanted):
        bound = "minimum" if kept > int(wanted) else "maximum"
        raise ValueError(f"the {bound} allowed cpu-shares is {kept}")


_CPU = (
    ("shares", "cpu", "cpu.shares"),
    ("realtimePeriod", "cpu", "cpu.rt_period_us"),
    ("realtimeRuntime", "cpu", "cpu.rt_runtime_us"),
    ("period", "cpu", "cpu.cfs_period_us"),
    ("quota", "cpu", "cpu.cfs_quota_us"),
    ("burst", "cpu", "cpu.cfs_burst_us"),
    ("cpus", "cpuset", "cpuset.cpus"),
    ("mems", "cpuset", "cpuset.mems"),
)


def _cpu(cpu: Mapping[str, Any]) -> Iterator[Setting]:
    for key, controller, file in _CPU:
        value = cpu.get(key)
        if value:
            yield controller, file, str(value)
    if cpu.get("idle") is not None:
        yield "cpu", "cpu.idle", str(cpu["idle"])


def _memory(memory: Mapping[str, Any]) -> Iterator[Setting]:
    if memory.get("reservation"):
        yield "memory", "memory.soft_limit_in_bytes", str(memory["reservation"])
    if memory.get("kernelTCP"):
        yield "memory", "memory.kmem.tcp.limit_in_bytes", str(memory["kernelTCP"])
    if memory.get("swappiness") is not None:
        yield "memory", "memory.swappiness", str(memory["swappiness"])
    if memory.get("disableOOMKiller"):
        yield "memory", "memory.oom_control", "1"


_THROTTLES = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"),
)


def _block(block: Mapping[str, Any]) -> Iterator[Setting]:
    if block.get("weight"):
        yield "blkio", "blkio.weight", str(block["weight"])
    if block.get("leafWeight"):
        yield "blkio", "blkio.leaf_weight", str(block["leafWeight"])
    for item in block.get("weightDevice") or ():
        if item.get("weight"):
            yield "blkio", "blkio.weight_device", f"{item['major']}:{item['minor']} {item['weight']}"
        if item.get("leafWeight"):
            yield "blkio", "blkio.leaf_weight_device", f"{item['major']}:{item['minor']} {item['leafWeight']}"
    for key, file in _THROTTLES:
        for item in block.get(key) or ():
            yield "blkio", file, f"{item['major']}:{item['minor']} {item['rate']}"


def write_memory_limits(folder: str, memory: Mapping[str, Any]) -> None:
    """Write limit and limit with swap in the order which the kernel accepts: neither may pass the other on the way."""
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    limit_file, swap_file = (
        os.path.join(folder, "memory.limit_in_bytes"),
        os.path.join(folder, "memory.memsw.limit_in_bytes"),
    )
    if limit == -1 and not swap and os.path.exists(swap_file):
        swap = -1  # no limit on memory means none on both
    if not swap:
        if limit:
            cgroupfiles.write(limit_file, limit)
    elif limit and (swap == -1 or cgroupfiles.read_number(limit_file) < swap):
        cgroupfiles.write(swap_file, swap)
        cgroupfiles.write(limit_file, limit)
    else:
        if limit:
            cgroupfiles.write(limit_file, limit)
        cgroupfiles.write(swap_file, swap)


def write_devices(folder: str, rules: Iterable[devicerules.Rule]) -> None:
    """Forbid all devices, then apply the rules in their order."""
    for name, lines in itertools.groupby(_device_lines(rules), operator.itemgetter(0)):
        cgroupfiles.write_lines(os.path.join(folder, name), [text for _, text in lines])


def _device_lines(rules: Iterable[devicerules.Rule]) -> Iterator[tuple[str, str]]:
    """File and line. The defaults behind a client's rules are what it had asked for mostly: what still holds is not
    said again.
    """
    yield "devices.deny", _ALL_DEVICES
    holds = {("devices.deny", _ALL_DEVICES)}
    for rule in rules:
        line = ("devices.allow" if rule.allow else "devices.deny", _ALL_DEVICES if rule.is_deny_all else rule.text())
        if line not in holds:
            yield line
            # What the other file was told may not hold any more.
            holds = {each for each in holds if each[0] == line[0]} | {line}


def prepare_cpuset(root: str, folder: str) -> None:
    """Give each new group from below `root` down to `folder` its parent's cpus and nodes: empty ones admit nobody."""
    chain: list[str] = []
    path = folder
    while path != root and path.startswith(root):
        chain.append(path)
        path = os.path.dirname(path)
    for path in reversed(chain):
        for name in ("cpuset.cpus", "cpuset.mems"):
            own = os.path.join(path, name)
            if not cgroupfiles.read(own).strip():
                cgroupfiles.write(own, cgroupfiles.read(os.path.join(os.path.dirname(path), name)).strip())
