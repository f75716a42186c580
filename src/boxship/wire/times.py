"""Times: nanoseconds since the epoch here, google.protobuf.Timestamp there.

An unset time is an absent field. Go servers also send the year 1, which is Go's zero time, and mean the same.
"""

from typing import Any

from boxship.api import timestamp_pb2

_SECOND = 1_000_000_000
_YEAR_ONE = -62_135_596_800


def message(nanoseconds: int | None) -> timestamp_pb2.Timestamp | None:
    if nanoseconds is None:
        return None
    seconds, nanos = divmod(nanoseconds, _SECOND)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=nanos)


def stated(nanoseconds: int | None) -> timestamp_pb2.Timestamp:
    """For fields that Go servers always fill: of what has not happened, clients expect the year 1, not 1970."""
    return message(nanoseconds) or timestamp_pb2.Timestamp(seconds=_YEAR_ONE)


def value(holder: Any, field: str) -> int | None:
    """The time in a field of a message, None when it is not set."""
    if not holder.HasField(field):
        return None
    return nanoseconds(getattr(holder, field))


def nanoseconds(stamp: timestamp_pb2.Timestamp) -> int | None:
    if stamp.seconds == _YEAR_ONE and not stamp.nanos:
        return None
    return stamp.seconds * _SECOND + stamp.nanos
