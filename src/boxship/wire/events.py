"""Events: values become the message that their name says, and a message's fields become values."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from boxship.api import event_types_pb2, image_events_pb2, pool, types_pb2
from boxship.core import events
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import times, typed

_FILES = (event_types_pb2.DESCRIPTOR, image_events_pb2.DESCRIPTOR)  # read, so that the pool knows their messages
_TIME, _ANY = "google.protobuf.Timestamp", "google.protobuf.Any"


def encode(event: events.Event | TypedBytes) -> TypedBytes:
    """What travels. Raises Internal when the event has a name or field that no message has."""
    if isinstance(event, TypedBytes):
        return event
    cls = _class(event.name)
    if cls is None:
        raise errors.Internal(f"no message is called {event.name!r}")
    made = cls()
    _fill(made, event.fields)
    return TypedBytes(type_url=event.name, value=made.SerializeToString())


def decode(event: TypedBytes) -> events.Event | None:
    """The fields that are set, nested ones as mappings; None for a message that is not known."""
    message = _read(event)
    return None if message is None else events.Event(name=event.name, fields=_fields(message))


def envelope_message(envelope: events.Envelope) -> types_pb2.Envelope:
    return types_pb2.Envelope(
        timestamp=times.message(envelope.timestamp),
        namespace=envelope.namespace,
        topic=envelope.topic,
        event=typed.message(envelope.event),
    )


def envelope(message: types_pb2.Envelope) -> events.Envelope:
    """Raises InvalidArgument when there is no event or no time in it."""
    timestamp = times.value(message, "timestamp")
    if timestamp is None:
        raise errors.InvalidArgument("timestamp must be set on forwarded event")
    return events.Envelope(
        timestamp=timestamp,
        namespace=message.namespace,
        topic=message.topic,
        event=typed.typed(message.event),
    )


def fields(event: TypedBytes) -> Mapping[str, Any]:
    """What filters may ask of a payload (`event.FIELD`), as containerd's generated Field methods answer: texts, maps
    of texts, truths as `true` and `false`, and what lies nested. Numbers, times and lists cannot be asked for.

    Raises:
        NotFound: a type that is not known here, or bytes that are not of it.
    """
    message = _read(event)
    if message is None:
        raise errors.NotFound(f"type {event.name!r}")
    return _askable(message)


def _class(name: str) -> type[Message] | None:
    try:
        descriptor = pool.POOL.FindMessageTypeByName(name)
    except KeyError:
        return None
    return pool.message_class(descriptor)


def _read(event: TypedBytes) -> Message | None:
    cls = _class(event.name)
    if cls is None:
        return None
    message = cls()
    try:
        message.ParseFromString(event.value)
    except DecodeError:
        return None
    return message


def _askable(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for descriptor in message.DESCRIPTOR.fields:
        held = getattr(message, descriptor.name)
        if _is_map(descriptor):
            found[descriptor.name] = dict(held)
        elif not descriptor.is_repeated:
            found[descriptor.name] = _answer(message, descriptor, held)
    return found


def _answer(message: Message, descriptor: Any, held: Any) -> Any:
    match descriptor.type:
        case FieldDescriptor.TYPE_STRING:
            return held
        case FieldDescriptor.TYPE_BOOL:
            return str(held).lower()
        case FieldDescriptor.TYPE_MESSAGE if message.HasField(descriptor.name):
            inner = _read(typed.typed(held)) if descriptor.message_type.full_name == _ANY else held
            return None if inner is None else _askable(inner)
    return None


def _fill(message: Message, fields: Mapping[str, Any]) -> None:
    for name, held in fields.items():
        descriptor = message.DESCRIPTOR.fields_by_name.get(name)
        if descriptor is None:
            raise errors.Internal(f"message {message.DESCRIPTOR.full_name} has no field {name!r}")
        _put(message, descriptor, held)


def _put(message: Message, descriptor: Any, held: Any) -> None:
    target = getattr(message, descriptor.name)
    if held is None:
        return
    if _is_map(descriptor):
        target.update(held)
    elif descriptor.is_repeated:
        if descriptor.message_type is None:
            target.extend(held)
        else:
            for each in held:
                _fill(target.add(), _mapping(each))
    elif descriptor.message_type is None:
        setattr(message, descriptor.name, held)
    elif descriptor.message_type.full_name == _TIME:
        target.CopyFrom(times.message(held))
    elif descriptor.message_type.full_name == _ANY:
        target.CopyFrom(typed.message(held))
    else:
        target.SetInParent()
        _fill(target, _mapping(held))


def _mapping(held: Any) -> Mapping[str, Any]:
    if isinstance(held, Mapping):
        return held
    return {each.name: getattr(held, each.name) for each in dataclasses.fields(held)}


def _fields(message: Message) -> dict[str, Any]:
    return {descriptor.name: _got(descriptor, held) for descriptor, held in message.ListFields()}


def _got(descriptor: Any, held: Any) -> Any:
    if _is_map(descriptor):
        return dict(held)
    if descriptor.is_repeated:
        return [_one(descriptor, each) for each in held]
    return _one(descriptor, held)


def _one(descriptor: Any, held: Any) -> Any:
    if descriptor.message_type is None:
        return held
    match descriptor.message_type.full_name:
        case "google.protobuf.Timestamp":
            return times.nanoseconds(held)
        case "google.protobuf.Any":
            return typed.typed(held)
    return _fields(held)


def _is_map(descriptor: Any) -> bool:
    return bool(descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry)
