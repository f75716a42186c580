"""Platforms."""

from boxship.api import types_pb2
from boxship.terms import platforms


def message(platform: platforms.Platform) -> types_pb2.Platform:
    return types_pb2.Platform(
        os=platform.os,
        architecture=platform.architecture,
        variant=platform.variant,
        os_version=platform.os_version,
        os_features=platform.os_features,
    )


def value(message: types_pb2.Platform) -> platforms.Platform:
    return platforms.Platform(
        os=message.os,
        architecture=message.architecture,
        variant=message.variant,
        os_version=message.os_version,
        os_features=tuple(message.os_features),
    )
