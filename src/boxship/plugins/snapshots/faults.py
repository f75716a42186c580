"""What goes wrong with disks and records, as errors with a class."""

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from boxship.terms import errors

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLASSES: dict[int, type[errors.Error]] = {
    **dict.fromkeys(_FULL, errors.ResourceExhausted),
    errno.EMFILE: errors.ResourceExhausted,
    errno.ENFILE: errors.ResourceExhausted,
    errno.EROFS: errors.FailedPrecondition,
    errno.EIO: errors.DataLoss,
}


@contextlib.contextmanager
def told(what: str, place: Path) -> Iterator[None]:
    """Let failures of the disk out as errors with a class; what nobody foresaw stays what it is."""
    try:
        yield
    except OSError as exc:
        kind = _CLASSES.get(exc.errno or 0)
        if kind is None:
            raise
        if exc.errno in _FULL:
            raise errors.no_space(what, place, exc.strerror or "") from exc
        raise kind(f"{what}: {exc.strerror}") from exc
    except sqlite3.DatabaseError as exc:
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise errors.no_space(f"{what}: snapshot records", place, str(exc)) from exc
        raise _of_records(exc)(f"{what}: snapshot records: {exc}") from exc


def _of_records(exc: sqlite3.DatabaseError) -> type[errors.Error]:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return errors.Unavailable
    if code == sqlite3.SQLITE_READONLY:
        return errors.FailedPrecondition
    return errors.DataLoss
