"""Descriptors."""

from boxship.api import types_pb2
from boxship.terms import oci


def message(descriptor: oci.Descriptor) -> types_pb2.Descriptor:
    return types_pb2.Descriptor(
        media_type=descriptor.media_type,
        digest=descriptor.digest,
        size=descriptor.size,
        annotations=descriptor.annotations,
    )


def value(message: types_pb2.Descriptor) -> oci.Descriptor:
    return oci.Descriptor(
        media_type=message.media_type,
        digest=message.digest,
        size=message.size,
        annotations=dict(message.annotations),
    )
