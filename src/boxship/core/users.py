"""Who a process runs as: the USER of an image, looked up in the image's own passwd and group files.

The files come from the image, so they are hostile: a number is a number and never a name of a row, rows are bytes
split at newlines, and what does not parse is passed over.
"""

import re
from collections.abc import Iterator

from boxship.core import specs
from boxship.terms import errors

LARGEST_ID = (1 << 31) - 1
_NUMBER = re.compile(r"[0-9]+", re.ASCII)


def resolve(text: str, passwd: bytes = b"", group: bytes = b"") -> specs.User:
    """The numbers for `name`, `uid`, `name:group`, `uid:gid` and mixtures; empty means root.

    Supplementary groups are those that list the user's name, and the primary group itself, so that rights which a
    file denies to that group stay denied. With an explicit group there is only that.

    Raises:
        InvalidArgument: a number beyond 2^31-1, or a name that the image does not know.
    """
    user, colon, group_name = text.partition(":")
    name, uid, gid = _user(user or "0", passwd)
    if colon and group_name:
        chosen = _group(group_name, group)
        return specs.User(uid=uid, gid=chosen, additional_gids=(chosen,))
    extra = {gid, *_memberships(name, group)} if name else {gid}
    return specs.User(uid=uid, gid=gid, additional_gids=tuple(sorted(extra)))


def _user(text: str, passwd: bytes) -> tuple[bytes, int, int]:
    number = _number(text, "user")
    for row in _rows(passwd, 4):
        row_uid, row_gid = _field(row[2]), _field(row[3])
        if row_uid is None or row_gid is None:
            continue
        if row_uid == number or (number is None and row[0] == text.encode()):
            return row[0], row_uid, row_gid
    if number is None:
        raise errors.InvalidArgument(f"user {text!r} is not in the image's /etc/passwd: name one that is, or a number")
    return b"", number, 0


def _group(text: str, group: bytes) -> int:
    number = _number(text, "group")
    if number is not None:
        return number
    for row in _rows(group, 3):
        gid = _field(row[2])
        if row[0] == text.encode() and gid is not None:
            return gid
    raise errors.InvalidArgument(f"group {text!r} is not in the image's /etc/group: name one that is, or a number")


def _memberships(name: bytes, group: bytes) -> Iterator[int]:
    for row in _rows(group, 4):
        gid = _field(row[2])
        if gid is not None and name in row[3].split(b","):
            yield gid


def _number(text: str, what: str) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    if len(text) > 10 or int(text) > LARGEST_ID:
        raise errors.InvalidArgument(f"{what} {text[:40]!r} is out of range: ids go from 0 to {LARGEST_ID}")
    return int(text)


def _field(value: bytes) -> int | None:
    text = value.decode("ascii", "replace")
    return int(text) if _NUMBER.fullmatch(text) and len(text) <= 10 and int(text) <= LARGEST_ID else None


def _rows(data: bytes, fields: int) -> Iterator[list[bytes]]:
    for line in data.split(b"\n"):
        row = line.split(b":")
        if len(row) >= fields:
            yield row
