"""Written by ./dev gen from proto/empty.proto; not to be edited."""

from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x0bempty.proto\x12\x0fgoogle.protobuf"\x07\n\x05Emptyb\x06proto3')
