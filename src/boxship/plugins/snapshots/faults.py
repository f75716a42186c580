"""What goes wrong with disks and records, as errors with a class."""

import contextlib
import errno
import sqlite3
from collections.abc import Iterator

from boxship.terms import errors

_CLASSES: dict[int, type[errors.Error]] = {
    errno.ENOSPC: errors.ResourceExhausted,
    errno.EDQUOT: errors.ResourceExhausted,
    errno.EMFILE: errors.ResourceExhausted,
    errno.ENFILE: errors.ResourceExhausted,
    errno.EROFS: errors.FailedPrecondition,
    errno.EIO: errors.DataLoss,
}


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Let failures of the disk out as errors with a class; what nobody foresaw stays what it is."""
    try:
        yield
    except OSError as exc:
        kind = _CLASSES.get(exc.errno or 0)
        if kind is None:
            raise
        raise kind(f"{what}: {exc.strerror}") from exc
    except sqlite3.DatabaseError as exc:
        raise _of_records(exc)(f"{what}: snapshot records: {exc}") from exc


def _of_records(exc: sqlite3.DatabaseError) -> type[errors.Error]:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return errors.ResourceExhausted
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return errors.Unavailable
    if code == sqlite3.SQLITE_READONLY:
        return errors.FailedPrecondition
    return errors.DataLoss
