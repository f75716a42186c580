"""Header lists: to blocks without state, and from blocks with HPACK's (RFC 7541), remembered as long as that is true.

We never use the dynamic table for sending, so a block of ours is a constant that can be prepared once, and a peer that
remembers blocks, as we do, decodes it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import hpack
from hpack import table as hpack_table

from boxship.rpc.http2 import faults

Headers = tuple[tuple[bytes, bytes], ...]

_Code = faults.ErrorCode
_STATIC_PAIRS: dict[tuple[bytes, bytes], int] = {}
_STATIC_NAMES: dict[bytes, int] = {}
for _index, _pair in enumerate(hpack_table.HeaderTable.STATIC_TABLE, 1):
    _STATIC_PAIRS.setdefault(_pair, _index)
    _STATIC_NAMES.setdefault(_pair[0], _index)

_LENGTH_DIGITS = 18
_REMEMBERED = 256  # blocks
_REMEMBERED_SIZE = 4096  # bytes of the longest block that is remembered
_CONNECTION_SPECIFIC = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_REQUEST_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_UPPER = frozenset(range(ord("A"), ord("Z") + 1))
_NAME_BYTES = frozenset(range(0x21, 0x7F)) - _UPPER - {ord(":")}
_BAD_VALUE = frozenset((0, 10, 13))


def encode(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A header block of static indexes and literals without indexing (RFC 7541 sections 6.1 and 6.2.2)."""
    parts: list[bytes] = []
    for name, value in headers:
        if index := _STATIC_PAIRS.get((name, value)):
            parts.append(_integer(index, 7, 0x80))
            continue
        if index := _STATIC_NAMES.get(name):
            parts.append(_integer(index, 4, 0))
        else:
            parts += (b"\0", _integer(len(name), 7, 0), name)
        parts += (_integer(len(value), 7, 0), value)
    return b"".join(parts)


def _integer(number: int, bits: int, first: int) -> bytes:
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


class Block:
    """A decoded header block: the list, its content-length, and what the layer above makes of it."""

    __slots__ = ("content_length", "headers", "known")

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.known: Any = None
        self.content_length: int | None = None

    def view(self, interpret: Callable[[Headers], Any]) -> Any:
        """What `interpret` makes of the list; `known` from then on. Raises ValueError for a malformed list."""
        for name, value in self.headers:
            if name == b"content-length":
                if not value.isdigit() or len(value) > _LENGTH_DIGITS:
                    raise ValueError(f"content-length {value[:_LENGTH_DIGITS]!r}")
                self.content_length = int(value)
        self.known = interpret(self.headers)
        return self.known


class Reader:
    """Turns blocks into lists.

    A block's meaning depends on its bytes and the dynamic table. So the lists of blocks which left the table as it was
    are remembered until it changes.
    """

    def __init__(self, *, list_limit: int) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=list_limit)
        self._known: dict[bytes, Block] = {}
        self._front: object = None
        self._mark = self._state()

    def read(self, data: bytes) -> Block:
        """Raises ConnectionFault: after a block that cannot be decoded the table is lost."""
        if (block := self._known.get(data)) is not None:
            return block
        try:
            pairs = self._decoder.decode(data, raw=True)
        except hpack.OversizedHeaderListError as fault:
            raise faults.ConnectionFault(_Code.ENHANCE_YOUR_CALM, str(fault)) from None
        except (hpack.HPACKError, IndexError, ValueError) as fault:
            raise faults.ConnectionFault(_Code.COMPRESSION_ERROR, f"header block: {fault}") from None
        block = Block(tuple((bytes(name), bytes(value)) for name, value in pairs))
        self._remember(data, block)
        return block

    def _remember(self, data: bytes, block: Block) -> None:
        mark = self._state()
        if mark != self._mark:
            self._mark = mark
            self._known.clear()
        elif len(data) <= _REMEMBERED_SIZE:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[data] = block

    def _state(self) -> tuple[int, int, int]:
        """Differs whenever the table does: an added entry is a new object at the front."""
        table = self._decoder.header_table
        entries = table.dynamic_entries
        self._front = entries[0] if entries else None  # held, so that its id stays its own
        return len(entries), id(self._front), table.maxsize


def check_request(headers: Headers) -> None:
    """Raises ValueError when a request's list is malformed (RFC 9113 sections 8.2 and 8.3)."""
    seen = _check(headers, _REQUEST_PSEUDO)
    for name in (b":method", b":scheme", b":path"):
        if not seen.get(name):
            raise ValueError(f"{name.decode()} is missing")


def check_response(headers: Headers) -> None:
    """Raises ValueError when a response's list is malformed."""
    if not _check(headers, frozenset((b":status",))).get(b":status"):
        raise ValueError(":status is missing")


def check_trailers(headers: Headers) -> None:
    """Raises ValueError when a list of trailers is malformed."""
    _check(headers, frozenset())


def _check(headers: Headers, allowed: frozenset[bytes]) -> dict[bytes, bytes]:
    pseudo: dict[bytes, bytes] = {}
    regular = False
    for name, value in headers:
        if name[:1] == b":":
            if regular or name not in allowed or name in pseudo:
                raise ValueError(f"pseudo-header {name!r} out of place")
            pseudo[name] = value
        else:
            regular = True
            if not name or not _NAME_BYTES.issuperset(name):
                raise ValueError(f"header name {name!r}")
            if name in _CONNECTION_SPECIFIC or (name == b"te" and value != b"trailers"):
                raise ValueError(f"connection-specific header {name!r}")
        if not _BAD_VALUE.isdisjoint(value):
            raise ValueError(f"value of header {name!r}")
    return pseudo
