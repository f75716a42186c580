"""Snapshots."""

from boxship.api import snapshots_pb2 as pb
from boxship.core import snapshots
from boxship.wire import times

_KINDS = {
    snapshots.Kind.UNKNOWN: pb.UNKNOWN,
    snapshots.Kind.VIEW: pb.VIEW,
    snapshots.Kind.ACTIVE: pb.ACTIVE,
    snapshots.Kind.COMMITTED: pb.COMMITTED,
}
_VALUES = {number: kind for kind, number in _KINDS.items()}


def message(info: snapshots.Info) -> pb.Info:
    return pb.Info(
        name=info.name,
        parent=info.parent,
        kind=_KINDS[info.kind],
        created_at=times.message(info.created_at),
        updated_at=times.message(info.updated_at),
        labels=info.labels,
    )


def value(message: pb.Info) -> snapshots.Info:
    return snapshots.Info(
        name=message.name,
        parent=message.parent,
        kind=_VALUES.get(message.kind, snapshots.Kind.UNKNOWN),
        created_at=times.value(message, "created_at"),
        updated_at=times.value(message, "updated_at"),
        labels=dict(message.labels),
    )


def usage_message(usage: snapshots.Usage) -> pb.UsageResponse:
    return pb.UsageResponse(size=usage.size, inodes=usage.inodes)


def usage(message: pb.UsageResponse) -> snapshots.Usage:
    return snapshots.Usage(size=message.size, inodes=message.inodes)
