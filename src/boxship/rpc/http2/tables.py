"""HPACK's tables: the one that never changes, and the one that a peer fills (RFC 7541 sections 2.3 and 4, appendix A)."""

from __future__ import annotations

import collections

Pair = tuple[bytes, bytes]

OVERHEAD = 32  # bytes that each entry counts beyond its own (4.1)
DEFAULT_SIZE = 4096

_METHODS = b":method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https"
_STATUSES = b":status=200 :status=204 :status=206 :status=304 :status=400 :status=404 :status=500"
_NAMES = b"""accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control
content-disposition content-encoding content-language content-length content-location content-range content-type cookie
date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified
link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie
strict-transport-security transfer-encoding user-agent vary via www-authenticate"""


def _static() -> tuple[Pair, ...]:
    listed = b":authority= %b %b accept-charset=" % (_METHODS, _STATUSES)
    first = [(name, value) for name, _, value in (each.partition(b"=") for each in listed.split())]
    return (*first, (b"accept-encoding", b"gzip, deflate"), *((name, b"") for name in _NAMES.split()))


STATIC = _static()
PAIRS = {pair: index for index, pair in reversed([*enumerate(STATIC, 1)])}
NAMES = {pair[0]: index for index, pair in reversed([*enumerate(STATIC, 1)])}


class Table:
    """What a peer has told us to remember, the newest first. `changes` counts whatever happens to it."""

    __slots__ = ("_entries", "_limit", "_room", "_size", "changes")

    def __init__(self, limit: int = DEFAULT_SIZE) -> None:
        self._limit = limit  # what we have allowed
        self._size = limit  # what the peer uses of it
        self._room = limit
        self._entries: collections.deque[Pair] = collections.deque()
        self.changes = 0

    def __getitem__(self, index: int) -> Pair:
        """The pair with this index, from 1; static ones first. Raises IndexError."""
        if index <= len(STATIC):
            if index < 1:
                raise IndexError(index)
            return STATIC[index - 1]
        return self._entries[index - len(STATIC) - 1]

    def add(self, pair: Pair) -> None:
        """What does not fit empties the table (4.4)."""
        self.changes += 1
        self._room -= len(pair[0]) + len(pair[1]) + OVERHEAD
        self._entries.appendleft(pair)
        self._evict()

    def resize(self, size: int) -> None:
        """Raises ValueError for more than we have allowed."""
        if size > self._limit:
            raise ValueError(f"a table of {size} bytes, of which {self._limit} are allowed")
        self.changes += 1
        self._room += size - self._size
        self._size = size
        self._evict()

    def _evict(self) -> None:
        while self._room < 0:
            name, value = self._entries.pop()
            self._room += len(name) + len(value) + OVERHEAD
