"""Written by ./dev gen from proto/ttrpc_events.proto; not to be edited."""

from boxship.api import empty_pb2 as _empty_pb2
from boxship.api import types_pb2 as _types_pb2
from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x12ttrpc_events.proto\x12#containerd.services.events.ttrpc.v1\x1a\x0bempty.proto\x1a\x0btypes.proto">\n\x0eForwardRequest\x12,\n\x08envelope\x18\x01 \x01(\x0b2\x1a.containerd.types.Envelope2`\n\x06Events\x12V\n\x07Forward\x123.containerd.services.events.ttrpc.v1.ForwardRequest\x1a\x16.google.protobuf.Emptyb\x06proto3')
