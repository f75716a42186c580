"""HPACK's Huffman code (RFC 7541 section 5.2 and appendix B), for reading: we never write it.

The code is canonical: codes of one length follow each other in the order of their symbols, and those of the next length
follow them. So the symbols by length say all of it.
"""

from __future__ import annotations

import functools

_SYMBOLS = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: b"\\\xc3\xd0",
    20: b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2",
    21: b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6",
    22: b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9",
    23: b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef",
    24: b"\t\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed",
    25: b"\xc7\xcf\xea\xeb",
    26: b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff",
    27: b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe",
    28: b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9",
    30: b"\n\r\x16",
}
_LONGEST = 30
_SHORT = 8  # most symbols in real headers have a code of at most a byte
_REMEMBERED = 512  # texts: paths and names of programs come again with each connection
_REMEMBERED_SIZE = 256  # bytes of the longest


def decode(data: bytes) -> bytes:
    """The text. Raises ValueError for what no text is written as."""
    return _remembered(data) if len(data) <= _REMEMBERED_SIZE else _decoded(data)


def _decoded(data: bytes) -> bytes:
    at, end, out = 0, len(data) << 3, bytearray()
    padded = data + b"\xff\xff\xff\xff\xff"  # what does not fill the last byte is padded with ones
    short, add = _SHORT_CODES, out.append
    while at < end:
        byte = at >> 3
        code = (padded[byte] << 8 | padded[byte + 1]) >> (8 - (at & 7)) & 0xFF
        symbol, length = short[code] or _long(padded, at)
        at += length
        if at > end:
            _check_padding(data, at - length, end)
            break
        add(symbol)
    return bytes(out)


_remembered = functools.lru_cache(maxsize=_REMEMBERED)(_decoded)


def _long(padded: bytes, at: int) -> tuple[int, int]:
    """The symbol at a bit, and the length of its code."""
    window = int.from_bytes(padded[at >> 3 : (at >> 3) + 5], "big") >> (10 - (at & 7)) & (1 << _LONGEST) - 1
    for length, first, symbols in _LONG_CODES:
        index = (window >> (_LONGEST - length)) - first
        if index < len(symbols):
            return symbols[index], length
    if at + _LONGEST <= (len(padded) - 5) << 3:
        raise ValueError("the code of the end of a text stands in it")
    return 0, _LONGEST


def _check_padding(data: bytes, start: int, end: int) -> None:
    rest = end - start
    ones = (1 << rest) - 1
    if rest > 7 or data[-1] & ones != ones:
        raise ValueError("a text is padded with something else than the first ones of the end's code")


def _codes() -> tuple[list[tuple[int, int] | None], list[tuple[int, int, bytes]]]:
    """Symbols and lengths by the first byte, where that says all; and for longer codes length, first code, symbols."""
    short: list[tuple[int, int] | None] = [None] * (1 << _SHORT)
    long: list[tuple[int, int, bytes]] = []
    code = before = 0
    for length, symbols in _SYMBOLS.items():
        code <<= length - before
        before = length
        if length > _SHORT:
            long.append((length, code, symbols))
        else:
            step = 1 << (_SHORT - length)
            for number, symbol in enumerate(symbols, code):
                short[number * step : (number + 1) * step] = [(symbol, length)] * step
        code += len(symbols)
    return short, long


_SHORT_CODES, _LONG_CODES = _codes()
