"""Written by ./dev gen from proto/status.proto; not to be edited."""

from boxship.api import any_pb2 as _any_pb2
from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x0cstatus.proto\x12\ngoogle.rpc\x1a\tany.proto"N\n\x06Status\x12\x0c\n\x04code\x18\x01 \x01(\x05\x12\x0f\n\x07message\x18\x02 \x01(\t\x12%\n\x07details\x18\x03 \x03(\x0b2\x14.google.protobuf.Anyb\x06proto3')
