"""Reading tar archives as they stream by: entries out of bytes, without files and without trust.

Understood: ustar, pax (with `SCHILY.xattr.*`), GNU long names, the four sparse formats, base-256 numbers, star, v7.
Global pax headers are passed over. Names are the bytes that stand in the archive: cleaning and containing them is
the business of who writes files. What a hostile archive can make this module hold in memory is one chunk of the
stream and one special header of at most a mebibyte.

    reader = tar.Reader(stream.read)
    for entry in reader:
        for chunk in reader.chunks():      # the payload, if wanted; what is not taken is skipped
            ...
    reader.drain()                         # what follows the archive belongs to the stream's digest too
"""

import enum
import struct
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from boxship.core import tar_headers
from boxship.core.tar_headers import BLOCK, SECOND, SPECIAL_LIMIT, Extent, Malformed
from boxship.terms import errors

READ_SIZE = 1 << 20
_NO_XATTRS: Mapping[bytes, bytes] = types.MappingProxyType({})


class Kind(enum.Enum):
    """What an entry makes. The values are the type flags that pax writes."""

    FILE = b"0"
    LINK = b"1"
    SYMLINK = b"2"
    CHARACTER = b"3"
    BLOCK = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"
    UNKNOWN = b"?"


class Entry(NamedTuple):
    """One member of an archive.

    `size` is the file's own; `stored` bytes of it stand in the archive from byte `offset` on, all of them unless
    `sparse` tells where in the file they belong. `mtime` is nanoseconds since the epoch. `mode` is permissions only.
    Ids are as found: they can be negative or too large.
    """

    kind: Kind
    name: bytes
    linkname: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[bytes, bytes] = _NO_XATTRS
    offset: int = 0
    stored: int = 0
    sparse: tuple[Extent, ...] | None = None


_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s64x8s8s155s12x")
_ZEROS = bytes(BLOCK)
_NOTHING = memoryview(b"")
_XATTR = b"SCHILY.xattr."
_KINDS = {kind.value: kind for kind in Kind if kind is not Kind.UNKNOWN} | {
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
}
_WITHOUT_PAYLOAD = frozenset({Kind.LINK, Kind.SYMLINK, Kind.CHARACTER, Kind.BLOCK, Kind.DIRECTORY, Kind.FIFO})
_SPECIAL = frozenset({b"x", b"g", b"L", b"K"})
_REMEMBERED = 4096


class Reader:
    """Entries of the archive that `read` delivers; iterate once.

    Args:
        read: gives up to so many bytes, none at the end, as a binary file's `read` does.

    Raises:
        Malformed: from iteration and payloads alike, when the archive is broken or ends too early.
    """

    __slots__ = ("_at", "_base", "_chunk", "_left", "_numbers", "_padding", "_read")

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._chunk = b""
        self._at = 0
        self._base = 0
        self._left = 0
        self._padding = 0
        self._numbers: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[Entry]:
        special: dict[bytes, bytes] = {}
        while True:
            if self._left or self._padding:
                self._skip()
            block = self._header()
            if block is None:
                return
            flag = block[156:157]
            if flag not in _SPECIAL:
                yield self._entry(block, special)
                if special:
                    special = {}
                continue
            data = self._special(block)
            if flag != b"g":
                special[flag] = data

    def take(self) -> memoryview:
        """Some of the current entry's stored bytes that have not been taken yet; empty when there are no more."""
        if not self._left:
            return _NOTHING
        if self._at >= len(self._chunk) and not self._fill():
            raise Malformed("archive/tar: unexpected EOF")
        view = memoryview(self._chunk)[self._at : self._at + self._left]
        size = len(view)
        self._at += size
        self._left -= size
        return view

    def chunks(self) -> Iterator[memoryview]:
        """What `take` gives, until there is no more."""
        while self._left:
            yield self.take()

    def read(self, limit: int) -> bytes:
        """All the stored bytes of the current entry. Raises ResourceExhausted when there are more than `limit`."""
        if self._left > limit:
            raise errors.ResourceExhausted(f"an archive member has {self._left} bytes, more than the {limit} allowed")
        return b"".join(self.chunks())

    def drain(self) -> None:
        """Read the stream to its end."""
        self._chunk = b""
        while self._read(READ_SIZE):
            pass

    def _fill(self) -> bool:
        """The next chunk in place of the used up one."""
        self._base += len(self._chunk)
        self._chunk = self._read(READ_SIZE)
        self._at = 0
        return bool(self._chunk)

    def _skip(self) -> None:
        padding = self._padding
        self._left += padding
        self._padding = 0
        missing = self._left - (len(self._chunk) - self._at)
        if missing <= 0:
            self._at += self._left
            self._left = 0
            return
        try:
            while self._left:
                self.take()
        except Malformed:
            if self._left > padding:
                raise
            self._left = 0  # the last entry's padding may be missing

    def _block(self) -> bytes:
        """The next block; a shorter one at the end of the stream."""
        at = self._at
        if at + BLOCK <= len(self._chunk):
            self._at = at + BLOCK
            return self._chunk[at : at + BLOCK]
        block = b""
        while len(block) < BLOCK:
            if self._at >= len(self._chunk) and not self._fill():
                break
            piece = self._chunk[self._at : self._at + BLOCK - len(block)]
            self._at += len(piece)
            block += piece
        return block

    def _header(self) -> bytes | None:
        """The next header block; None at the end of the archive."""
        block = self._block()
        if block == _ZEROS:
            second = self._block()
            if second and second != _ZEROS[: len(second)]:
                raise Malformed("archive/tar: invalid tar header: a lone block of zeros")
            return None
        if not block:
            return None
        if len(block) < BLOCK:
            raise Malformed("archive/tar: unexpected EOF")
        return block

    def _special(self, block: bytes) -> bytes:
        """The payload of a header that describes the next one."""
        if not tar_headers.verify_checksum(block, tar_headers.number(block[148:156])):
            raise Malformed("archive/tar: invalid tar header: wrong checksum")
        size = tar_headers.number(block[124:136])
        if not 0 <= size <= SPECIAL_LIMIT:
            raise Malformed(f"archive/tar: header field too long: {size} bytes, more than {SPECIAL_LIMIT}")
        self._left = size
        self._padding = -size % BLOCK
        data = b"".join(self.chunks())
        self._skip()
        return data

    def _number(self, field: bytes) -> int:
        """As tar_headers.number, remembering what it has seen: modes and ids repeat."""
        value = self._numbers.get(field)
        if value is None:
            value = tar_headers.number(field)
            if len(self._numbers) < _REMEMBERED:
                self._numbers[field] = value
        return value

    def _entry(self, block: bytes, special: Mapping[bytes, bytes]) -> Entry:
        fields = _HEADER.unpack(block)
        name, mode, uid, gid, size, mtime, checksum, flag, linkname, magic, major, minor, prefix = fields
        if not tar_headers.verify_checksum(block, tar_headers.number(checksum)):
            raise Malformed("archive/tar: invalid tar header: wrong checksum")
        name = name.partition(b"\0")[0]
        if prefix[0] and magic == b"ustar\x0000":
            if block[508:] == b"tar\0":
                prefix = prefix[:131]
            name = prefix.partition(b"\0")[0] + b"/" + name
        kind = _KINDS.get(flag, Kind.UNKNOWN)
        number = self._number
        device = kind is Kind.CHARACTER or kind is Kind.BLOCK
        stored = tar_headers.number(size)
        offset = self._base + self._at
        entry = Entry(
            kind,
            name,
            linkname.partition(b"\0")[0],
            number(mode) & 0o7777,
            number(uid),
            number(gid),
            stored,
            tar_headers.number(mtime) * SECOND,
            (number(major), number(minor)) if device else (0, 0),
            _NO_XATTRS,
            offset,
            stored,
        )
        records: list[tuple[bytes, bytes]] = []
        if special:
            if b"x" in special:
                records = tar_headers.pax_records(special[b"x"])
            entry = _with_special(entry, records, special)
            stored = entry.size
        if not 0 <= stored <= tar_headers.MAX_SIZE:
            raise Malformed(f"archive/tar: invalid tar header: size {stored}")
        if flag == b"\0" and entry.name.endswith(b"/"):
            entry = entry._replace(kind=(kind := Kind.DIRECTORY))
        if kind in _WITHOUT_PAYLOAD:
            return entry._replace(size=0, stored=0) if stored else entry
        self._left = stored
        self._padding = -stored % BLOCK
        if flag == b"S":
            return self._old_sparse(entry, block)
        if any(key.startswith(b"GNU.sparse.") for key, _ in records):
            return self._pax_sparse(entry, records)
        return entry

    def _old_sparse(self, entry: Entry, block: bytes) -> Entry:
        """GNU's own format: four extents in the header, more in blocks that follow it."""
        size = tar_headers.number(block[483:495])
        extents = tar_headers.gnu_extents(block[386:482])
        more = block[482]
        blocks = 0
        while more:
            block = self._block()
            blocks += 1
            if len(block) < BLOCK:
                raise Malformed("archive/tar: unexpected EOF")
            if blocks * BLOCK > SPECIAL_LIMIT:
                raise Malformed("archive/tar: header field too long: sparse map")
            extents += tar_headers.gnu_extents(block[:504])
            more = block[504]
        return self._sparse(entry, size, extents)

    def _pax_sparse(self, entry: Entry, records: list[tuple[bytes, bytes]]) -> Entry:
        """The three formats that GNU tar writes into pax archives."""
        last = dict(records)
        entry = entry._replace(name=last.get(b"GNU.sparse.name") or entry.name)
        stated = last.get(b"GNU.sparse.realsize", last.get(b"GNU.sparse.size"))
        size = entry.size if stated is None else tar_headers.decimal(stated, "size")
        if last.get(b"GNU.sparse.major") == b"1" and last.get(b"GNU.sparse.minor") == b"0":
            return self._sparse(entry, size, self._leading_map())
        if b"GNU.sparse.map" in last:
            text = last[b"GNU.sparse.map"]
            numbers = [tar_headers.decimal(part, "sparse map") for part in text.split(b",")] if text else []
        else:
            wanted = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
            numbers = [tar_headers.decimal(value, "sparse map") for key, value in records if key in wanted]
            if not numbers and b"GNU.sparse.numblocks" not in last:
                return entry._replace(offset=self._base + self._at, stored=entry.size)
        return self._sparse(entry, size, tar_headers.pairs(numbers))

    def _leading_map(self) -> list[Extent]:
        """Format 1.0: decimal numbers, a line each, the first one their count, fill the payload's first blocks."""
        text = bytearray()
        lines = wanted = 0
        while not wanted or lines < wanted:
            if self._left < BLOCK or len(text) >= SPECIAL_LIMIT:
                raise Malformed("archive/tar: invalid tar header: a sparse map without end")
            block = self._block()
            if len(block) < BLOCK:
                raise Malformed("archive/tar: unexpected EOF")
            self._left -= BLOCK
            text += block
            lines += block.count(b"\n")
            if lines and not wanted:
                wanted = 1 + 2 * tar_headers.decimal(bytes(text[: text.index(b"\n")]), "sparse map")
        numbers = bytes(text).split(b"\n", wanted)[1:wanted]
        return tar_headers.pairs([tar_headers.decimal(line, "sparse map") for line in numbers])

    def _sparse(self, entry: Entry, size: int, extents: list[Extent]) -> Entry:
        if not 0 <= size <= tar_headers.MAX_SIZE:
            raise Malformed(f"archive/tar: invalid tar header: size {size}")
        return entry._replace(
            size=size,
            offset=self._base + self._at,
            stored=self._left,
            sparse=tar_headers.checked_map(extents, size=size, stored=self._left),
        )


def _with_special(entry: Entry, records: list[tuple[bytes, bytes]], special: Mapping[bytes, bytes]) -> Entry:
    """The entry as the headers before it say. An empty value leaves what the plain header has."""
    values: list[Any] = list(entry)
    xattrs: dict[bytes, bytes] = {}
    for key, value in records:
        if (attribute := _PAX.get(key)) is not None:
            if value:
                values[attribute[0]] = attribute[1](value)
        elif key.startswith(_XATTR):
            xattrs[key[len(_XATTR) :]] = value
    for flag, index in ((b"L", 1), (b"K", 2)):
        if text := special.get(flag, b"").partition(b"\0")[0]:
            values[index] = text
    if xattrs:
        values[9] = xattrs
    values[11] = values[6]
    return Entry._make(values)


_PAX: Mapping[bytes, tuple[int, Callable[[bytes], Any]]] = {
    b"path": (1, bytes),
    b"linkpath": (2, bytes),
    b"uid": (4, lambda text: tar_headers.decimal(text, "uid")),
    b"gid": (5, lambda text: tar_headers.decimal(text, "gid")),
    b"size": (6, lambda text: tar_headers.decimal(text, "size")),
    b"mtime": (7, tar_headers.nanoseconds),
}
"""Which field of an entry a record overrides, and how it is read."""
