"""Written by ./dev gen from proto/image_events.proto; not to be edited."""

from boxship.api import pool as _pool

DESCRIPTOR, __getattr__ = _pool.load(globals(), b'\n\x12image_events.proto\x12\x1dcontainerd.services.images.v1"\x92\x01\n\x0bImageCreate\x12\x0c\n\x04name\x18\x01 \x01(\t\x12F\n\x06labels\x18\x02 \x03(\x0b26.containerd.services.images.v1.ImageCreate.LabelsEntry\x1a-\n\x0bLabelsEntry\x12\x0b\n\x03key\x18\x01 \x01(\t\x12\r\n\x05value\x18\x02 \x01(\t:\x028\x01"\x92\x01\n\x0bImageUpdate\x12\x0c\n\x04name\x18\x01 \x01(\t\x12F\n\x06labels\x18\x02 \x03(\x0b26.containerd.services.images.v1.ImageUpdate.LabelsEntry\x1a-\n\x0bLabelsEntry\x12\x0b\n\x03key\x18\x01 \x01(\t\x12\r\n\x05value\x18\x02 \x01(\t:\x028\x01"\x1b\n\x0bImageDelete\x12\x0c\n\x04name\x18\x01 \x01(\tb\x06proto3')
