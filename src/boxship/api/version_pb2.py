"""Written by ./dev gen from proto/version.proto; not to be edited."""

from boxship.api import empty_pb2 as _empty_pb2
from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\rversion.proto\x12\x1econtainerd.services.version.v1\x1a\x0bempty.proto"4\n\x0fVersionResponse\x12\x0f\n\x07version\x18\x01 \x01(\t\x12\x10\n\x08revision\x18\x02 \x01(\t2]\n\x07Version\x12R\n\x07Version\x12\x16.google.protobuf.Empty\x1a/.containerd.services.version.v1.VersionResponseb\x06proto3')
