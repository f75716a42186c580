"""The descriptor pool that all our messages live in.

It is our own, never protobuf's default one: a process may hold another package's edition of the same messages, and
protobuf allows one definition of a name per pool.

Classes are made when they are first asked for, since a process needs few of them and making one costs some 20 µs.
protobuf's C core is spoken to directly: `google.protobuf.descriptor_pool` and `message_factory` would load the pure
Python implementation too, with its text parser and `pickle`, which costs a command 15 ms. Without the C core they serve.
"""

import threading
from collections.abc import Callable, MutableMapping
from typing import Any

from google.protobuf import descriptor, message
from google.protobuf.internal import api_implementation, enum_type_wrapper

POOL: Any
"""A `google.protobuf.descriptor_pool.DescriptorPool`."""

_make_class: Callable[[Any], Any]

if api_implementation.Type() == "upb":
    from google._upb import _message

    POOL = _message.DescriptorPool()

    def _make_class(described: Any) -> Any:
        names = {"DESCRIPTOR": described, "__module__": __package__}
        return _message.MessageMeta(described.name, (message.Message,), names)

else:
    from google.protobuf import descriptor_pool, message_factory

    POOL = descriptor_pool.DescriptorPool()
    _make_class = message_factory.GetMessageClass

_lock = threading.RLock()
_classes: dict[str, type[message.Message]] = {}


def message_class(described: descriptor.Descriptor) -> type[message.Message]:
    """The class of the messages that a descriptor of this pool describes; always the same one."""
    with _lock:
        made = _classes.get(described.full_name)
        if made is None:
            made = _classes[described.full_name] = _make_class(described)
        return made


def load(module: MutableMapping[str, Any], serialized: bytes) -> tuple[descriptor.FileDescriptor, Callable[[str], Any]]:
    """Register one file; return its descriptor and the `__getattr__` of the module made from it.

    Args:
        module: the module's globals, where what has been made is kept.
        serialized: a FileDescriptorProto. The files it depends on are registered already.
    """
    file = POOL.AddSerializedFile(serialized)
    for enum in file.enum_types_by_name.values():
        module[enum.name] = enum_type_wrapper.EnumTypeWrapper(enum)
        module.update((value.name, value.number) for value in enum.values)

    def attribute(name: str) -> Any:
        described = file.message_types_by_name.get(name)
        if described is None:
            raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}")
        made = module[name] = message_class(described)
        return made

    return file, attribute
