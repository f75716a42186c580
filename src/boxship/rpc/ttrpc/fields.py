"""Protobuf's wire format, as far as ttrpc's envelopes need it (protobuf.dev/programming-guides/encoding)."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_VARINT_BITS = 70  # ten bytes of seven bits
_U64 = (1 << 64) - 1
_WIDTH = {FIXED64: 8, FIXED32: 4}


class Malformed(ValueError):
    """The bytes are no protobuf message."""


def varint(number: int) -> bytes:
    """An int64 as a varint; negative numbers take ten bytes, as protobuf has it."""
    number &= _U64
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tagged(field: int, value: bytes) -> bytes:
    """A field (below 16) of strings, bytes or messages, empty ones included."""
    return bytes((field << 3 | BYTES,)) + varint(len(value)) + value


def number(field: int, value: int) -> bytes:
    """A field (below 16) of an integer; nothing when it is zero."""
    return bytes((field << 3,)) + varint(value) if value else b""


def read(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in their order: number and value. Integers are unsigned.

    Raises:
        Malformed: the message is cut short, or holds a group or a wire type that does not exist.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == BYTES:
            width, at = _varint(message, at)
        elif kind in _WIDTH:
            width = _WIDTH[kind]
        else:
            raise Malformed(f"wire type {kind}")
        if at + width > end:
            raise Malformed(f"field {tag >> 3} is cut short")
        yield tag >> 3, message[at : at + width]
        at += width


def _varint(message: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    try:
        while shift < _VARINT_BITS:
            byte = message[at]
            at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result & _U64, at
            shift += 7
    except IndexError:
        raise Malformed("a number is cut short") from None
    raise Malformed("a number is too long")


def signed(value: int, bits: int) -> int:
    """The two's complement reading of a field of int32 or int64."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
