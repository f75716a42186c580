"""Header lists: what is in them, remembered as long as that is true, and whether they are well formed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boxship.rpc.http2 import blocks, faults

Headers = blocks.Headers

_Code = faults.ErrorCode
_LENGTH_DIGITS = 18
_REMEMBERED = 256  # blocks
_REMEMBERED_SIZE = 4096  # bytes of the longest block that is remembered
_CONNECTION_SPECIFIC = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_REQUEST_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_UPPER = frozenset(range(ord("A"), ord("Z") + 1))
_NAME_BYTES = frozenset(range(0x21, 0x7F)) - _UPPER - {ord(":")}
_BAD_VALUE = frozenset((0, 10, 13))


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
        self._decoder = blocks.Decoder(list_limit=list_limit)
        self._table = self._decoder.table
        self._known: dict[bytes, Block] = {}

    def read(self, data: bytes) -> Block:
        """Raises ConnectionFault: after a block that cannot be decoded the table is lost."""
        if (block := self._known.get(data)) is not None:
            return block
        before = self._table.changes
        try:
            block = Block(self._decoder.decode(data))
        except blocks.TooLong as fault:
            raise faults.ConnectionFault(_Code.ENHANCE_YOUR_CALM, str(fault)) from None
        except (IndexError, ValueError) as fault:
            raise faults.ConnectionFault(_Code.COMPRESSION_ERROR, f"header block: {fault}") from None
        if self._table.changes != before:
            self._known.clear()
        elif len(data) <= _REMEMBERED_SIZE:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[data] = block
        return block


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
