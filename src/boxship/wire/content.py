"""Content: blobs and ingests."""

from boxship.api import content_pb2 as pb
from boxship.core import content
from boxship.wire import times


def message(info: content.Info) -> pb.Info:
    return pb.Info(
        digest=info.digest,
        size=info.size,
        created_at=times.message(info.created_at),
        updated_at=times.message(info.updated_at),
        labels=info.labels,
    )


def value(message: pb.Info) -> content.Info:
    return content.Info(
        digest=message.digest,
        size=message.size,
        created_at=times.value(message, "created_at"),
        updated_at=times.value(message, "updated_at"),
        labels=dict(message.labels),
    )


def status_message(status: content.Status) -> pb.Status:
    return pb.Status(
        ref=status.ref,
        offset=status.offset,
        total=status.total,
        expected=status.expected,
        started_at=times.message(status.started_at),
        updated_at=times.message(status.updated_at),
    )


def status(message: pb.Status) -> content.Status:
    return content.Status(
        ref=message.ref,
        offset=message.offset,
        total=message.total,
        expected=message.expected,
        started_at=times.value(message, "started_at"),
        updated_at=times.value(message, "updated_at"),
    )


def written(message: pb.WriteContentResponse, ref: str, expected: str) -> content.Status:
    """The ingest that a writer is told of."""
    return content.Status(
        ref=ref,
        offset=message.offset,
        total=message.total,
        expected=expected,
        started_at=times.value(message, "started_at"),
        updated_at=times.value(message, "updated_at"),
    )
