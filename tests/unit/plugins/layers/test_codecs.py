import bz2
import contextlib
import gzip
import io
import lzma
import struct
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from boxship.plugins.layers import codecs, compressors, media
from boxship.terms import errors, oci

PLAIN = b"".join(b"%08d line of a file\n" % n for n in range(40_000))


def inflate(data: bytes, chunk: int = 1 << 20) -> bytes:
    stream = io.BytesIO(data)
    return b"".join(codecs.pieces(lambda size: stream.read(min(size, chunk))))


def gzipped(data: bytes, **header: bytes) -> bytes:
    """A member by hand, with optional fields of RFC 1952, 2.3.1."""
    flags = (4 if "extra" in header else 0) | (8 if "name" in header else 0)
    out = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6)
    if "extra" in header:
        out += struct.pack("<H", len(header["extra"])) + header["extra"]
    if "name" in header:
        out += header["name"] + b"\0"
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return out + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def zstded(data: bytes, **options) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True, **options).compress(data)


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"


@pytest.mark.parametrize("chunk", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip.compress(PLAIN), id="gzip"),
        pytest.param(gzipped(PLAIN, name=b"n" * 65536), id="long name"),
        pytest.param(gzip.compress(PLAIN[:70_000]) + gzip.compress(PLAIN[70_000:]), id="two members"),
        pytest.param(gzip.compress(b"") * 100 + gzip.compress(PLAIN), id="empty members"),
        pytest.param(gzipped(PLAIN, extra=b"x" * 65535, name=b"name"), id="big extra field"),
        pytest.param(zstded(PLAIN), id="zstd"),
        pytest.param(zstded(PLAIN[:70_000]) + zstded(PLAIN[70_000:]), id="two frames"),
        pytest.param(SKIPPABLE + zstded(PLAIN) + SKIPPABLE, id="skippable frames"),
        pytest.param(PLAIN, id="none"),
    ],
)
def test_what_was_compressed_comes_back(data, chunk) -> None:
    if chunk == 1:
        data = data if len(data) < 200_000 else gzip.compress(b"short")
    expected = PLAIN if len(data) > 1000 else b"short"
    assert inflate(data, chunk) == expected


def test_nothing_is_nothing() -> None:
    assert inflate(b"") == b""
    assert inflate(gzip.compress(b"")) == b""
    assert inflate(zstded(b"")) == b""


GZIP, ZSTD = gzip.compress(PLAIN), zstded(PLAIN)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GZIP[:-1], id="gzip cut by one"),
        pytest.param(GZIP[:-8], id="gzip without its end"),
        pytest.param(GZIP[: len(GZIP) // 2], id="half a gzip"),
        pytest.param(GZIP[:5], id="gzip header only"),
        pytest.param(GZIP[:-8] + bytes(4) + GZIP[-4:], id="gzip crc"),
        pytest.param(GZIP[:-4] + bytes(4), id="gzip size"),
        pytest.param(GZIP + b"garbage", id="gzip and garbage"),
        pytest.param(GZIP + bytes(512), id="gzip and zeros"),
        pytest.param(GZIP[:1000] + b"\xff\xff\xff" + GZIP[1003:], id="gzip damaged"),
        pytest.param(ZSTD[:-1], id="zstd cut by one"),
        pytest.param(ZSTD[: len(ZSTD) // 2], id="half a zstd"),
        pytest.param(ZSTD[:6], id="zstd header only"),
        pytest.param(ZSTD[:-4] + bytes(4), id="zstd checksum"),
        pytest.param(ZSTD + b"garbage", id="zstd and garbage"),
        pytest.param(SKIPPABLE[:10], id="half a skippable frame"),
    ],
)
def test_broken_streams(data) -> None:
    for chunk in (11, 1 << 20):
        with pytest.raises(codecs.BadStream):
            inflate(data, chunk)


@pytest.mark.parametrize(
    "data", [lzma.compress(PLAIN), bz2.compress(PLAIN), lzma.compress(PLAIN, format=lzma.FORMAT_ALONE)]
)
def test_other_compressions_are_named(data) -> None:
    with pytest.raises(errors.NotImplemented, match="not compressed with"):
        inflate(data)


def test_a_window_of_more_than_is_allowed() -> None:
    params = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
    stream = zstandard.ZstdCompressor(compression_params=params).compressobj()
    data = stream.compress(b"x" * 1000) + stream.flush()
    with pytest.raises(codecs.BadStream):
        inflate(data)
    allowed = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    ).compressobj()
    assert inflate(allowed.compress(b"x" * 1000) + allowed.flush()) == b"x" * 1000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_bombs_come_in_bounded_pieces(kind) -> None:
    size = 256 << 20
    zeros = bytes(1 << 20)
    if kind == "gzip":
        stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    else:
        stream = zstandard.ZstdCompressor(level=19).compressobj()
    data = b"".join(stream.compress(zeros) for _ in range(size >> 20)) + stream.flush()
    assert len(data) < size // 500
    source = io.BytesIO(data)
    total = 0
    for piece in codecs.pieces(source.read):
        assert len(piece) <= (64 << 20) + codecs.PIECE
        total += len(piece)
    assert total == size


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"]))
def test_noise_is_refused_or_taken(noise, head) -> None:
    with contextlib.suppress(codecs.BadStream, errors.NotImplemented):
        inflate(head + noise)


@pytest.mark.parametrize("media_type", [oci.LAYER, oci.LAYER_GZIP, oci.LAYER_ZSTD, oci.DOCKER_LAYER_GZIP])
def test_what_is_written_is_read_and_always_the_same(media_type) -> None:
    made = set()
    for _ in range(2):
        stream = compressors.compressor(media_type)
        made.add(stream.compress(PLAIN) + stream.flush())
    [data] = made
    assert inflate(data) == PLAIN


def test_unknown_media_types() -> None:
    with pytest.raises(errors.NotImplemented, match="unsupported diff media type: text/plain"):
        compressors.compressor("text/plain")
    for media_type in ("text/plain", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", ""):
        with pytest.raises(errors.NotImplemented, match="no processor for media-type"):
            media.check_readable(media_type)
    media.check_readable(oci.LAYER_ZSTD)
