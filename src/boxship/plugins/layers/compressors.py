"""Compressions of layers that are made: by the media type that they get."""

import zlib
from typing import Protocol

import zstandard

from boxship.plugins.layers import media


class Compressor(Protocol):
    def compress(self, data: bytes | memoryview) -> bytes: ...

    def flush(self) -> bytes: ...


class _Plain:
    def compress(self, data: bytes | memoryview) -> bytes:
        return bytes(data)

    def flush(self) -> bytes:
        return b""


def compressor(media_type: str) -> Compressor:
    """What writes a layer of this media type; the same input always gives the same bytes.

    Raises:
        NotImplemented: an unknown media type.
    """
    media.check_writable(media_type)
    if media_type in media.PLAIN:
        return _Plain()
    if media_type in media.GZIP:
        return zlib.compressobj(6, zlib.DEFLATED, 31)
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
