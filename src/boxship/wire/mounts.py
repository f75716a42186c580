"""Mounts."""

from collections.abc import Iterable

from boxship.api import types_pb2
from boxship.core import mounts


def message(mount: mounts.Mount) -> types_pb2.Mount:
    return types_pb2.Mount(type=mount.type, source=mount.source, target=mount.target, options=mount.options)


def value(message: types_pb2.Mount) -> mounts.Mount:
    return mounts.Mount(type=message.type, source=message.source, target=message.target, options=tuple(message.options))


def messages(found: Iterable[mounts.Mount]) -> list[types_pb2.Mount]:
    return [message(mount) for mount in found]


def values(messages: Iterable[types_pb2.Mount]) -> list[mounts.Mount]:
    return [value(each) for each in messages]
