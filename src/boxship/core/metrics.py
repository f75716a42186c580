"""What a task uses, in numbers that cgroup v1 and v2 both tell."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """`timestamp` in nanoseconds since the epoch, `cpu` in nanoseconds of processor time since the start, sizes in bytes.

    `memory` is without the page cache that can be dropped at once. A limit of 0 means none; what the kernel does not
    tell is 0.
    """

    timestamp: int
    cpu: int = 0
    memory: int = 0
    memory_limit: int = 0
    pids: int = 0
    pids_limit: int = 0
    read: int = 0
    written: int = 0
