"""Written by ./dev gen from proto/events.proto; not to be edited."""

from boxship.api import any_pb2 as _any_pb2
from boxship.api import empty_pb2 as _empty_pb2
from boxship.api import types_pb2 as _types_pb2
from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x0cevents.proto\x12\x1dcontainerd.services.events.v1\x1a\tany.proto\x1a\x0bempty.proto\x1a\x0btypes.proto"D\n\x0ePublishRequest\x12\r\n\x05topic\x18\x01 \x01(\t\x12#\n\x05event\x18\x02 \x01(\x0b2\x14.google.protobuf.Any">\n\x0eForwardRequest\x12,\n\x08envelope\x18\x01 \x01(\x0b2\x1a.containerd.types.Envelope"#\n\x10SubscribeRequest\x12\x0f\n\x07filters\x18\x01 \x03(\t2\x88\x02\n\x06Events\x12P\n\x07Publish\x12-.containerd.services.events.v1.PublishRequest\x1a\x16.google.protobuf.Empty\x12P\n\x07Forward\x12-.containerd.services.events.v1.ForwardRequest\x1a\x16.google.protobuf.Empty\x12Z\n\tSubscribe\x12/.containerd.services.events.v1.SubscribeRequest\x1a\x1a.containerd.types.Envelope0\x01b\x06proto3')
