"""TypedBytes and google.protobuf.Any: carried, not read."""

from typing import Any

from boxship.api import any_pb2
from boxship.terms.typed import TypedBytes


def message(typed: TypedBytes | None) -> any_pb2.Any | None:
    return None if typed is None else any_of(typed)


def any_of(typed: TypedBytes) -> any_pb2.Any:
    return any_pb2.Any(type_url=typed.type_url, value=typed.value)


def value(holder: Any, field: str) -> TypedBytes | None:
    """What a field of a message carries, None when it is not set."""
    return typed(getattr(holder, field)) if holder.HasField(field) else None


def typed(message: any_pb2.Any) -> TypedBytes:
    return TypedBytes(type_url=message.type_url, value=message.value)
