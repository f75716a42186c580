"""Content: blobs and ingests."""

from collections.abc import Callable
from typing import NamedTuple

from boxship.api import content_pb2 as pb
from boxship.core import content
from boxship.wire import times

_LONG = 32 << 10
_VARINT, _BYTES = 0, 2
_DATA = 6 << 3 | _BYTES  # the tag of a write's data
_TAG_END = 0x80  # tags below have one byte
_BEFORE = 8  # fields that are looked at: writers put them in the order of their numbers


class Write(NamedTuple):
    """A message of an ingest: its data, and all the rest."""

    request: pb.WriteContentRequest
    data: bytes | memoryview


def write(parse: Callable[[bytes], pb.WriteContentRequest], message: bytes) -> Write:
    """Long data stays where it came in: protobuf would copy it twice. Raises what `parse` does."""
    place = _data(message) if len(message) > _LONG else None
    if place is None:
        request = parse(message)
        return Write(request, request.data)
    begin, at, end = place
    request = parse(message[:begin] + message[end:])
    return Write(request, request.data or memoryview(message)[at:end])  # of a field that comes twice, the last counts


def _data(message: bytes) -> tuple[int, int, int] | None:
    """Where the field of the data begins, and where the data itself begins and ends; None if that is not soon seen."""
    at = 0
    try:
        for _ in range(_BEFORE):
            begin, tag = at, message[at]
            number, at = _varint(message, at + 1)
            if tag == _DATA:
                return (begin, at, at + number) if at + number <= len(message) else None
            if tag >= _TAG_END or tag & 7 not in {_VARINT, _BYTES}:
                return None
            if tag & 7 == _BYTES:
                at += number
    except IndexError:
        pass
    return None


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends (protobuf.dev/programming-guides/encoding). Raises IndexError."""
    number = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise IndexError("a number without end")


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
