"""Written by ./dev gen from proto/duration.proto; not to be edited."""

from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x0eduration.proto\x12\x0fgoogle.protobuf"*\n\x08Duration\x12\x0f\n\x07seconds\x18\x01 \x01(\x03\x12\r\n\x05nanos\x18\x02 \x01(\x05b\x06proto3')
