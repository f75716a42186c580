"""Written by ./dev gen from proto/runtimeoptions.proto; not to be edited."""

from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x14runtimeoptions.proto\x12\x11runtimeoptions.v1"E\n\x07Options\x12\x10\n\x08type_url\x18\x01 \x01(\t\x12\x13\n\x0bconfig_path\x18\x02 \x01(\t\x12\x13\n\x0bconfig_body\x18\x03 \x01(\x0cb\x06proto3')
