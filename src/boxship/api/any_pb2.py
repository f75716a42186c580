"""Written by ./dev gen from proto/any.proto; not to be edited."""

from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\tany.proto\x12\x0fgoogle.protobuf"&\n\x03Any\x12\x10\n\x08type_url\x18\x01 \x01(\t\x12\r\n\x05value\x18\x02 \x01(\x0cb\x06proto3')
