"""Writing tar archives: header blocks for entries, ustar where it suffices and pax records where it does not.

The same entries always give the same bytes: no clock, no user names, records in order.
"""

import posixpath
from collections.abc import Iterator

from boxship.core import tar
from boxship.core.tar_headers import BLOCK, SECOND

END = bytes(2 * BLOCK)
"""Closes an archive."""


def padding(size: int) -> bytes:
    """The zeros that follow a payload of so many bytes."""
    return bytes(-size % BLOCK)


def header(entry: tar.Entry) -> bytes:
    """The header blocks of an entry; its payload of `entry.size` bytes and `padding` follow."""
    records = dict(_records(entry))
    split = _split(entry.name)
    if split is None:
        records[b"path"] = entry.name
    if not records:
        return _block(entry, split or (b"", entry.name))
    data = b"".join(_record(key, value) for key, value in sorted(records.items()))
    folder, base = posixpath.split(entry.name.rstrip(b"/"))
    extended = tar.Entry(tar.Kind.FILE, _ascii(posixpath.join(folder, b"PaxHeaders.0", base)), size=len(data))
    block = _block(extended, (b"", extended.name), flag=b"x")
    return block + data + padding(len(data)) + _block(entry, split or (b"", _ascii(entry.name)))


def _records(entry: tar.Entry) -> Iterator[tuple[bytes, bytes]]:
    """What an entry has that a plain header cannot say."""
    if len(entry.linkname) > 100 or not entry.linkname.isascii():
        yield b"linkpath", entry.linkname
    for key, amount, width in ((b"uid", entry.uid, 7), (b"gid", entry.gid, 7), (b"size", entry.size, 11)):
        if not 0 <= amount < 8**width:
            yield key, b"%d" % amount
    seconds, rest = divmod(entry.mtime, SECOND)
    if rest or not 0 <= seconds < 8**11:
        yield b"mtime", _decimal(entry.mtime)
    for key, value in entry.xattrs.items():
        yield b"SCHILY.xattr." + key, value


def _decimal(time: int) -> bytes:
    whole, rest = divmod(abs(time), SECOND)
    fraction = (b".%09d" % rest).rstrip(b"0") if rest else b""
    return (b"-" if time < 0 else b"") + b"%d" % whole + fraction


def _record(key: bytes, value: bytes) -> bytes:
    r"""`LENGTH KEY=VALUE\n`, the length counting its own digits."""
    size = len(key) + len(value) + 3
    total = size + len(str(size))
    total = size + len(str(total))
    return b"%d %s=%s\n" % (total, key, value)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """A name as ustar's prefix and name; None when it does not fit."""
    if not name.isascii():
        return None
    if len(name) <= 100:
        return b"", name
    cut = name.rstrip(b"/").rfind(b"/", 0, 156)
    if cut <= 0 or len(name) - cut - 1 > 100:
        return None
    return name[:cut], name[cut + 1 :]


def _ascii(text: bytes) -> bytes:
    return bytes(byte for byte in text if byte < 128)[:100]


def _octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width, value if 0 <= value < 8**width else 0)


def _block(entry: tar.Entry, split: tuple[bytes, bytes], flag: bytes = b"") -> bytes:
    prefix, name = split
    seconds = entry.mtime // SECOND
    block = b"".join(
        (
            name.ljust(100, b"\0"),
            _octal(entry.mode, 7),
            _octal(entry.uid, 7),
            _octal(entry.gid, 7),
            _octal(entry.size, 11),
            _octal(seconds, 11),
            b"        ",
            flag or entry.kind.value,
            (
                entry.linkname if len(entry.linkname) <= 100 and entry.linkname.isascii() else _ascii(entry.linkname)
            ).ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            _octal(entry.device[0], 7),
            _octal(entry.device[1], 7),
            prefix.ljust(167, b"\0"),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
