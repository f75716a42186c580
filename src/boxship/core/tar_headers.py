"""What stands in tar headers: numbers, pax records, sparse maps. Bytes in, values out.

Sources: POSIX pax (ustar Interchange Format, pax Header Block), GNU tar manual "Basic Tar Format" and "Storing
Sparse Files". What the formats leave open is decided as Go's archive/tar does, since the peers read with that.
"""

import zlib
from collections.abc import Iterable, Sequence

from boxship.terms import errors

BLOCK = 512
SPECIAL_LIMIT = 1 << 20
"""The most bytes of one special header: pax records, a long name, a sparse map."""

MAX_SIZE = (1 << 63) - 1
SECOND = 1_000_000_000

Extent = tuple[int, int]
"""Offset in the file and number of bytes: a piece of a sparse file that holds data."""


class Malformed(errors.InvalidArgument):
    """The bytes are no tar archive, or break its rules."""


def number(field: bytes) -> int:
    """An octal field, or a base-256 one (first bit set; two's complement). Empty means 0."""
    text = field.strip(b" \0")
    if text.isdigit():
        try:
            return int(text, 8)
        except ValueError:
            raise Malformed(f"archive/tar: invalid tar header: {field!r} is no number") from None
    if not text:
        return 0
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    text = text.partition(b"\0")[0]
    if text.isdigit() and not text.strip(b"01234567"):
        return int(text, 8)
    raise Malformed(f"archive/tar: invalid tar header: {field!r} is no number")


def verify_checksum(block: bytes, stated: int) -> bool:
    """Whether a header's bytes add up, its checksum field counted as spaces.

    adler32's lower half is a sum modulo 65521, plus one: over pieces this short it is the very sum, and sixty times
    faster than adding in Python.
    """
    view = memoryview(block)
    adler = zlib.adler32
    total = (adler(view[:148]) & 0xFFFF) + (adler(view[156:356]) & 0xFFFF) + (adler(view[356:]) & 0xFFFF) + 253
    if total == stated:
        return True
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 256
    return signed == stated


def pax_records(data: bytes) -> list[tuple[bytes, bytes]]:
    r"""The records `LENGTH KEY=VALUE\n` of a pax header, in their order."""
    records: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        if not digits.isdigit():
            raise Malformed("archive/tar: invalid tar header: a pax record without its length")
        end = at + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= space + 1 or data[end - 1 : end] != b"\n" or not equals or not key:
            raise Malformed("archive/tar: invalid tar header: a broken pax record")
        if b"\0" in key or (b"\0" in value and key in {b"path", b"linkpath", b"uname", b"gname"}):
            raise Malformed(f"archive/tar: invalid tar header: NUL in pax record {key[:80]!r}")
        records.append((key, value))
        at = end
    return records


def decimal(text: bytes, what: str) -> int:
    """A decimal number of a pax record, perhaps negative."""
    digits = text[1:] if text.startswith(b"-") else text
    if not digits.isdigit() or len(digits) > 20:
        raise Malformed(f"archive/tar: invalid tar header: {what} {text[:40]!r} is no number")
    return int(text)


def nanoseconds(text: bytes) -> int:
    """A pax time, `[-]seconds[.fraction]`, in nanoseconds; digits behind the ninth are cut off."""
    whole, _, fraction = text.partition(b".")
    negative = whole.startswith(b"-")
    if (fraction and not fraction.isdigit()) or not whole.lstrip(b"-"):
        raise Malformed(f"archive/tar: invalid tar header: time {text[:40]!r} is no number")
    rest = int(fraction[:9].ljust(9, b"0")) if fraction else 0
    seconds = decimal(whole, "time")
    return seconds * SECOND + (-rest if negative else rest)


def checked_map(extents: Iterable[Extent], *, size: int, stored: int) -> tuple[Extent, ...]:
    """A sparse map whose pieces are in order, do not overlap, lie in the file and add up to what is stored."""
    result = tuple(extents)
    end = total = 0
    for offset, length in result:
        if length < 0 or offset < end or offset + length > size:
            raise Malformed("archive/tar: invalid tar header: the sparse map is out of order or out of bounds")
        end = offset + length
        total += length
    if total != stored:
        raise Malformed(f"archive/tar: invalid tar header: the sparse map speaks of {total} bytes, {stored} are there")
    return result


def pairs(numbers: Sequence[int]) -> list[Extent]:
    """Extents from offsets and lengths in turn."""
    if len(numbers) % 2:
        raise Malformed("archive/tar: invalid tar header: an odd number of numbers in a sparse map")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def gnu_extents(data: bytes) -> list[Extent]:
    """The extents of an old GNU sparse header or of one of its extension blocks; an empty slot ends them."""
    extents: list[Extent] = []
    for at in range(0, len(data) - 23, 24):
        if not data[at]:
            break
        extents.append((number(data[at : at + 12]), number(data[at + 12 : at + 24])))
    return extents
