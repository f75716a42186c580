"""Written by ./dev gen from proto/wrappers.proto; not to be edited."""

from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x0ewrappers.proto\x12\x0fgoogle.protobuf"\x1c\n\x0bDoubleValue\x12\r\n\x05value\x18\x01 \x01(\x01"\x1b\n\nFloatValue\x12\r\n\x05value\x18\x01 \x01(\x02"\x1b\n\nInt64Value\x12\r\n\x05value\x18\x01 \x01(\x03"\x1c\n\x0bUInt64Value\x12\r\n\x05value\x18\x01 \x01(\x04"\x1b\n\nInt32Value\x12\r\n\x05value\x18\x01 \x01(\x05"\x1c\n\x0bUInt32Value\x12\r\n\x05value\x18\x01 \x01(\r"\x1a\n\tBoolValue\x12\r\n\x05value\x18\x01 \x01(\x08"\x1c\n\x0bStringValue\x12\r\n\x05value\x18\x01 \x01(\t"\x1b\n\nBytesValue\x12\r\n\x05value\x18\x01 \x01(\x0cb\x06proto3')
