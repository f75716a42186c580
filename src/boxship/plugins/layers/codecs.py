"""Compressed layers being read, told by their first bytes: gzip, zstd, none.

Every step makes a bounded amount of output, however much a stream swells, and a stream that ends too early, has a
wrong checksum or goes on with something else is an error.
"""

from collections.abc import Callable, Iterator
from typing import cast

from isal import igzip_lib

from boxship.terms import errors

Read = Callable[[int], bytes]

PIECE = 256 << 10
"""Bytes of output of one step, about: little enough to stay in the processor's cache until it is written."""

MAX_WINDOW = 128 << 20
"""The most memory that a zstd stream may ask for (`zstd --long` goes as far)."""

_GZIP_INPUT = 128 << 10
_HEADER_LIMIT = 1 << 20
_ZSTD_INPUT = 2 << 10  # a block of 4 bytes can stand for 128 KiB: this much input never makes more than 64 MiB
_GZIP_ERROR = cast("type[Exception]", igzip_lib.IsalError)
_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
_FOREIGN = {b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"\x04\x22\x4d\x18": "lz4", b"\x5d\x00\x00": "lzma"}


class BadStream(errors.InvalidArgument):
    """The compressed stream is broken."""


def pieces(read: Read) -> Iterator[bytes]:
    """The stream, uncompressed, in pieces of bounded size.

    Raises:
        NotImplemented: a compression that layers do not have.
        BadStream: the stream is broken.
    """
    head = b""
    while len(head) < 6 and (data := read(_ZSTD_INPUT)):
        head += data
    read = _after(head, read)
    if head.startswith(_GZIP):
        return _gunzip(read)
    if head.startswith(_ZSTD) or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        return _unzstd(read)
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise errors.NotImplemented(f"layers are not compressed with {name}")
    return _as_it_is(read)


def _after(head: bytes, read: Read) -> Read:
    """As `read`, with what has been read already first."""
    waiting = [head] if head else []
    return lambda size: waiting.pop() if waiting else read(size)


def _as_it_is(read: Read) -> Iterator[bytes]:
    while data := read(PIECE):
        yield data


def _gunzip(read: Read) -> Iterator[bytes]:
    """All members of a gzip stream (RFC 1952, 2.2)."""
    data = read(_GZIP_INPUT)
    while data:
        # The decoder stumbles over a header that comes in two pieces.
        while _header_is_cut(data) and (more := read(_GZIP_INPUT)):
            data += more
            if len(data) > _HEADER_LIMIT:
                raise BadStream("gzip: header field too long")
        member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        while not member.eof:
            if member.needs_input and not data and not (data := read(_GZIP_INPUT)):
                raise BadStream("gzip: unexpected EOF")
            try:
                made = member.decompress(data, PIECE)
            except _GZIP_ERROR as exc:
                raise BadStream(f"gzip: {exc}") from None
            data = b""
            if made:
                yield made
        data = member.unused_data or read(_GZIP_INPUT)


def _header_is_cut(data: bytes) -> bool:
    """Whether a member's header (RFC 1952, 2.3) goes on behind what is there."""
    if len(data) < 10:
        return True
    flags = data[3]
    at = 10
    if flags & 4:  # an extra field
        if len(data) < at + 2:
            return True
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (8, 16):  # a name, a comment
        if flags & flag:
            end = data.find(b"\0", at)
            if end < 0:
                return True
            at = end + 1
    return len(data) < at + (2 if flags & 2 else 0)


def _unzstd(read: Read) -> Iterator[bytes]:
    """All frames of a zstd stream (RFC 8878, 3), skippable ones included."""
    import zstandard  # few layers are compressed like this

    made: list[bytes] = []
    size = 0
    source = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    data = b""
    while data or (data := read(_ZSTD_INPUT)):
        frame = source.decompressobj()
        while not frame.eof:
            if not data and not (data := read(_ZSTD_INPUT)):
                raise BadStream("zstd: unexpected EOF")
            try:
                made.append(frame.decompress(data))
            except zstandard.ZstdError as exc:
                raise BadStream(f"zstd: {exc}") from None
            data = b""
            size += len(made[-1])
            if size >= PIECE:
                yield b"".join(made)
                made, size = [], 0
        data = frame.unused_data
    if size:
        yield b"".join(made)
