"""Control groups of version 2: what a `resources` object of the OCI spec writes into which file.

Sources: OCI runtime-spec config-linux.md; the kernel's admin-guide/cgroup-v2; conversions of shares and weights as
runc documents them (docs/systemd.md, crun.1.md "CPU controller").
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from boxship.linux import cgroupfiles, cgroups1

Setting = tuple[str, str]  # file, value


def cpu_weight(shares: int) -> int:
    """cpu.shares [2, 262144] as cpu.weight [1, 10000]; 0 stays 0."""
    if shares == 0:
        return 0
    return min(10000, 1 + (max(shares, 2) - 2) * 9999 // 262142)


def io_weight(weight: int) -> int:
    """blkio.weight [10, 1000] as io.weight [1, 10000]."""
    return 1 + (weight - 10) * 9999 // 990


def write(folder: str, resources: Mapping[str, Any]) -> None:
    """Write the limits of an OCI `resources` object but for devices; what it does not name stays.

    Raises OSError, ValueError.
    """
    memory = resources.get("memory") or {}
    if (memory.get("swap") or 0) > 0 and not memory.get("limit"):
        # it counts memory and swap together, so it means something beside the present limit only
        limit = cgroupfiles.read_number(os.path.join(folder, "memory.max"))
        if 0 < limit < cgroupfiles.UNLIMITED:
            resources = {**resources, "memory": {**memory, "limit": limit}}
    has_bfq = os.path.exists(os.path.join(folder, "io.bfq.weight"))
    for file, value in settings(resources, has_bfq=has_bfq):
        try:
            cgroupfiles.write(os.path.join(folder, file), value)
        except FileNotFoundError:
            # kernels without swap accounting, and before Linux 5.7
            if file != "memory.swap.max" and not file.endswith(".rsvd.max"):
                raise


def settings(resources: Mapping[str, Any], *, has_bfq: bool = False) -> Iterator[Setting]:
    """What to write, in order; `unified` comes last and so has the last word. Raises ValueError.

    `has_bfq`: the BFQ scheduler is there and weighs disks, by weights that are version 1's.
    """
    yield from _cpu(resources.get("cpu") or {})
    yield from _memory(resources.get("memory") or {})
    limit = (resources.get("pids") or {}).get("limit")
    if limit:
        yield "pids.max", str(limit) if limit > 0 else "max"
    yield from _io(resources.get("blockIO") or {}, has_bfq=has_bfq)
    for page in resources.get("hugepageLimits") or ():
        yield f"hugetlb.{page['pageSize']}.max", str(page["limit"])
        # at reservation a program is told, at use it would be killed
        yield f"hugetlb.{page['pageSize']}.rsvd.max", str(page["limit"])
    for device, limits in (resources.get("rdma") or {}).items():
        yield "rdma.max", cgroups1.rdma(device, limits)
    for file, value in (resources.get("unified") or {}).items():
        if "/" in file:
            raise ValueError(f"unified resource {file!r} must be a file name without slash")
        yield file, str(value)


def _cpu(cpu: Mapping[str, Any]) -> Iterator[Setting]:
    if cpu.get("idle") is not None:
        yield "cpu.idle", str(cpu["idle"])
    if weight := cpu_weight(cpu.get("shares") or 0):
        yield "cpu.weight", str(weight)
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    if quota or period:
        first = str(quota) if quota > 0 else "max"
        yield "cpu.max", f"{first} {period or 100000}"
    if cpu.get("burst") is not None:
        yield "cpu.max.burst", str(cpu["burst"])
    for key in ("cpus", "mems"):
        if cpu.get(key):
            yield f"cpuset.{key}", cpu[key]


def _bytes(value: int) -> str:
    return "max" if value == -1 else str(value)


def _memory(memory: Mapping[str, Any]) -> Iterator[Setting]:
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if swap > 0:
        if limit <= 0:
            raise ValueError("memory.swap needs memory.limit: swap counts memory and swap together")
        if swap < limit:
            raise ValueError(f"memory.swap {swap} must not be less than memory.limit {limit}")
        yield "memory.swap.max", str(swap - limit)
    elif swap == -1 or (limit == -1 and not swap):
        yield "memory.swap.max", "max"
    if limit:
        yield "memory.max", _bytes(limit)
    if memory.get("reservation"):
        yield "memory.low", _bytes(memory["reservation"])


_IO_LIMITS = (
    ("throttleReadBpsDevice", "rbps"),
    ("throttleWriteBpsDevice", "wbps"),
    ("throttleReadIOPSDevice", "riops"),
    ("throttleWriteIOPSDevice", "wiops"),
)


def _io(block: Mapping[str, Any], *, has_bfq: bool) -> Iterator[Setting]:
    file, convert = ("io.bfq.weight", int) if has_bfq else ("io.weight", io_weight)
    if block.get("weight"):
        yield file, str(convert(block["weight"]))
    for item in block.get("weightDevice") or ():
        if item.get("weight"):
            yield file, f"{item['major']}:{item['minor']} {convert(item['weight'])}"
    for key, word in _IO_LIMITS:
        for item in block.get(key) or ():
            yield "io.max", f"{item['major']}:{item['minor']} {word}={item['rate']}"


def enable_controllers(root: str, folder: str, warn: list[str]) -> None:
    """Make `folder` below `root`, handing every controller down from each group on the way, as far as it has them."""
    path = root
    for name in os.path.relpath(folder, root).split("/"):
        control = os.path.join(path, "cgroup.subtree_control")
        available = cgroupfiles.read(os.path.join(path, "cgroup.controllers")).split()
        missing = sorted(set(available) - set(cgroupfiles.read(control).split()))
        if missing:
            _enable(control, missing, warn)
        path = os.path.join(path, name)
        os.makedirs(path, exist_ok=True)


def _enable(control: str, controllers: list[str], warn: list[str]) -> None:
    """All with one write; one by one where the kernel refuses one, since it takes all or nothing."""
    try:
        cgroupfiles.write(control, " ".join(f"+{name}" for name in controllers))
    except OSError:
        for name in controllers:
            try:
                cgroupfiles.write(control, f"+{name}")
            except OSError as failure:
                # EBUSY: processes live in an inner group; the limits that need the controller say so when written
                warn.append(str(failure))
