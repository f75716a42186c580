"""Written by ./dev gen from proto/field_mask.proto; not to be edited."""

from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x10field_mask.proto\x12\x0fgoogle.protobuf"\x1a\n\tFieldMask\x12\r\n\x05paths\x18\x01 \x03(\tb\x06proto3')
