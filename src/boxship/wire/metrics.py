"""io.containerd.cgroups.v1.Metrics and ….v2.Metrics, as one kind of numbers."""

from google.protobuf.message import DecodeError

from boxship.api import cgroups_v1_pb2 as v1
from boxship.api import cgroups_v2_pb2 as v2
from boxship.core import metrics, tasks
from boxship.terms import errors

_NO_LIMIT = 1 << 60
"""Bytes from which on a limit is none: v1 says 2^63 less a page, v2 2^64 - 1."""


def stats(metric: tasks.Metric) -> metrics.Stats:
    """Raises NotImplemented for metrics of another kind, InvalidArgument for bytes that are none."""
    try:
        match metric.data.name:
            case "io.containerd.cgroups.v1.Metrics":
                return _first(metric.timestamp, v1.Metrics.FromString(metric.data.value))
            case "io.containerd.cgroups.v2.Metrics":
                return _second(metric.timestamp, v2.Metrics.FromString(metric.data.value))
    except DecodeError as exc:
        raise errors.InvalidArgument(f"metrics of {metric.id!r} cannot be read") from exc
    raise errors.NotImplemented(f"metrics of {metric.id!r} are of the kind {metric.data.name!r}")


def _first(timestamp: int, found: v1.Metrics) -> metrics.Stats:
    block = {"read": 0, "write": 0}
    for entry in found.blkio.io_service_bytes_recursive:
        if entry.op.lower() in block:
            block[entry.op.lower()] += entry.value
    return metrics.Stats(
        timestamp=timestamp,
        cpu=found.cpu.usage.total,
        memory=max(found.memory.usage.usage - found.memory.total_inactive_file, 0),
        memory_limit=_limit(found.memory.usage.limit),
        pids=found.pids.current,
        pids_limit=_limit(found.pids.limit),
        read=block["read"],
        written=block["write"],
    )


def _second(timestamp: int, found: v2.Metrics) -> metrics.Stats:
    return metrics.Stats(
        timestamp=timestamp,
        cpu=found.cpu.usage_usec * 1000,
        memory=max(found.memory.usage - found.memory.inactive_file, 0),
        memory_limit=_limit(found.memory.usage_limit),
        pids=found.pids.current,
        pids_limit=_limit(found.pids.limit),
        read=sum(entry.rbytes for entry in found.io.usage),
        written=sum(entry.wbytes for entry in found.io.usage),
    )


def _limit(value: int) -> int:
    return 0 if value >= _NO_LIMIT else value
