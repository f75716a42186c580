"""Header blocks (RFC 7541): written without state, and read with the table that the peer fills.

We never use the dynamic table for sending, so a block of ours is a constant that can be prepared once, and a peer that
remembers blocks, as we do, decodes it once.
"""

from __future__ import annotations

from collections.abc import Iterable

from boxship.rpc.http2 import huffman, tables

Headers = tuple[tuple[bytes, bytes], ...]

_LONGEST_INTEGER = 4  # bytes that follow the first one: no length or index of ours is larger than 2^28


class TooLong(Exception):
    """A list of headers that is longer than we allow."""


def encode(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A header block of static indexes and literals without indexing (RFC 7541 sections 6.1 and 6.2.2)."""
    parts: list[bytes] = []
    for name, value in headers:
        if index := tables.PAIRS.get((name, value)):
            parts.append(integer(index, 7, 0x80))
            continue
        if index := tables.NAMES.get(name):
            parts.append(integer(index, 4, 0))
        else:
            parts += (b"\0", integer(len(name), 7, 0), name)
        parts += (integer(len(value), 7, 0), value)
    return b"".join(parts)


def integer(number: int, bits: int, first: int) -> bytes:
    """RFC 7541 section 5.1."""
    full = (1 << bits) - 1
    if number < full:
        return bytes((first | number,))
    out = bytearray((first | full,))
    number -= full
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Decoder:
    """Reads the blocks of one peer, all of them, in order.

    Attributes:
        table: what the blocks read so far have left.
    """

    __slots__ = ("_limit", "table")

    def __init__(self, *, list_limit: int) -> None:
        self.table = tables.Table()
        self._limit = list_limit

    def decode(self, data: bytes) -> Headers:
        """The list in a block (6). After a failure the table is lost.

        Raises:
            ValueError, IndexError: it cannot be read.
            TooLong: the list is, counted as RFC 9113 section 6.5.2 does.
        """
        pairs: list[tuple[bytes, bytes]] = []
        table, room, at = self.table, self._limit, 0
        while at < len(data):
            byte = data[at]
            if byte & 0x80:
                if byte == 0xFF:
                    index, at = _integer(data, at, 0x7F)
                else:  # as nearly always
                    index, at = byte & 0x7F, at + 1
                pair = table[index]
            elif byte & 0x40:
                pair, at = self._literal(data, at, 0x3F)
                table.add(pair)
            elif byte & 0x20:
                if pairs:
                    raise ValueError("the table is resized within a block")
                size, at = _integer(data, at, 0x1F)
                table.resize(size)
                continue
            else:
                pair, at = self._literal(data, at, 0x0F)
            pairs.append(pair)
            room -= len(pair[0]) + len(pair[1]) + tables.OVERHEAD
            if room < 0:
                raise TooLong(f"a list of headers of more than {self._limit} bytes")
        return tuple(pairs)

    def _literal(self, data: bytes, at: int, mask: int) -> tuple[tuple[bytes, bytes], int]:
        index, at = _integer(data, at, mask)
        if index:
            name = self.table[index][0]
        else:
            name, at = self._text(data, at)
        value, at = self._text(data, at)
        return (name, value), at

    def _text(self, data: bytes, at: int) -> tuple[bytes, int]:
        """RFC 7541 section 5.2."""
        packed = data[at] & 0x80
        size, at = _integer(data, at, 0x7F)
        end = at + size
        text = data[at:end]
        if len(text) < size:
            raise ValueError("a text is cut short")
        if not packed:
            return text, end
        return huffman.decode(text), end


def _integer(data: bytes, at: int, mask: int) -> tuple[int, int]:
    """A number that begins in the bits of the mask, and where it ends. Raises ValueError, IndexError."""
    number = data[at] & mask
    at += 1
    if number < mask:
        return number, at
    for shift in range(0, 7 * _LONGEST_INTEGER, 7):
        byte = data[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number without end")
