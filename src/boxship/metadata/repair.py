"""Whether the file can be trusted, and what to do when it cannot.

Beside `meta.db` lie `meta.db.copy`, a whole copy from some time before, and, after a clean shutdown, `meta.db.sums` with
the digests of both. At start the file is compared with its digest, or after a crash left to SQLite's recovery, and
checked through. A damaged one is put aside as `meta.db.corrupt-TIME` and replaced by the copy. When the copy is older
than the last change, things are missing from it that the backends still have: then `meta.db.restored` is written, and
while it exists nothing is taken from the backends.
"""

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator

from boxship.metadata import journal, rows
from boxship.terms import errors

_log = logging.getLogger(__name__)

_NO_DAMAGE = {
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM),
}
"""Failures that are about the machine and not about the file."""


def ensure(path: str) -> None:
    """Leave a file at `path` that can be opened: the one that is there, or the copy, or none when all is new.

    Raises:
        DataLoss: the file is damaged and so is the copy; nothing was changed.
        FailedPrecondition: something else than a file is there.
    """
    if os.path.lexists(path) and not os.path.isfile(path):
        raise errors.FailedPrecondition(f"metadata database {path} is not a file")
    fault = _fault(path)
    if fault:
        _restore(path, fault)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}.sums")
    if not os.path.exists(path):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    _sync_folder(path)


def save_copy(table: rows.Rows) -> None:
    """Replace the copy by a new one."""
    with _fresh(f"{table.path}.copy") as fresh:
        table.backup(fresh)


def seal(path: str) -> None:
    """Copy a file that was closed, and note the digests of both. Raises OSError.

    Nothing is done while a call is still reading: the end of that changes the file once more.
    """
    if os.path.exists(f"{path}-wal"):
        return
    with _fresh(f"{path}.copy") as copy:
        _copy(path, copy)
    fresh = f"{path}.sums.new"
    with open(fresh, "w", encoding="ascii") as file:
        json.dump({"main": _digest(path), "copy": _digest(f"{path}.copy")}, file)
    _replace(fresh, f"{path}.sums")


@contextlib.contextmanager
def _fresh(target: str) -> Iterator[str]:
    """An empty file that takes the target's place at the end, durably."""
    fresh = f"{target}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        yield fresh
        _replace(fresh, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)  # it would take the space that is missing
        raise


def is_held_back(path: str) -> bool:
    """Whether things may be missing from the book that the backends must not lose."""
    return os.path.exists(f"{path}.restored")


def _fault(path: str) -> str:
    """What is wrong with the file; empty when nothing is."""
    if not os.path.exists(path) or not os.path.getsize(path):
        return "missing or empty" if os.path.exists(f"{path}.copy") else ""
    sums = _sums(path)
    clean = not _size(f"{path}-wal")
    if clean and sums.get("main") not in {None, _digest(path)}:
        return "changed since it was closed"
    return _inconsistency(path)


def _inconsistency(path: str, *, immutable: bool = False) -> str:
    """What SQLite finds wrong. Raises what a failure means that is no damage."""
    written = [] if immutable else journal.transactions(f"{path}-wal")
    flags = "immutable=1" if immutable else "mode=rw"
    try:
        connection = sqlite3.connect(f"file:{_quoted(path)}?{flags}", uri=True, isolation_level=None)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
            foreign = connection.execute("PRAGMA foreign_key_check").fetchone()
            _read_all(connection)
            if lost := journal.lost(written, journal.recovered(f"{path}-shm")):
                _keep_damaged_log(path, lost)
        finally:
            connection.close()
    except sqlite3.DatabaseError as exc:
        if getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _NO_DAMAGE:
            raise rows.translated(exc, path) from exc
        return str(exc)
    if found != ["ok"]:
        return "; ".join(found)[:500]
    return f"a row of {foreign[0]} refers to nothing" if foreign else ""


def _read_all(connection: sqlite3.Connection) -> None:
    """Read every value, since the check does not look at text. Raises sqlite3.Error."""
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        for _ in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608  SQLite's own word
            pass


def _keep_damaged_log(path: str, lost: int) -> None:
    """Some changes cannot be read from the log: keep it, and keep what they may have been about."""
    aside = _aside(path)
    for suffix in ("", "-wal"):
        _copy(path + suffix, aside + suffix)
    _hold_back(path, f"the write-ahead log was damaged and at least {lost} changes in it are lost")
    _log.error(
        "metadata database %s: its write-ahead log is damaged, at least %d changes are lost; it was kept as %s, and no"
        " content or snapshot is collected until you remove %s.restored",
        *(path, lost, f"{aside}-wal", path),
    )


def _restore(path: str, fault: str) -> None:
    copy = f"{path}.copy"
    if not _size(copy) or _inconsistency(copy, immutable=True):
        raise errors.DataLoss(
            f"metadata database {path} is damaged ({fault}) and there is no good copy of it:"
            f" put a backup in its place, or move it away to begin with an empty one"
        )
    whole = _sums(path).get("copy") == _digest(copy) and not _size(f"{path}-wal")
    aside = _aside(path)
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.rename(path + suffix, aside + suffix)
    _copy(copy, f"{path}.new")
    if whole:
        lost = "nothing is lost"
    else:
        lost = (
            "what changed since the copy was made is lost, and no content or snapshot is collected"
            f" until you remove {path}.restored"
        )
        _hold_back(path, f"the metadata database was damaged ({fault}) and was replaced by an older copy")
    _replace(f"{path}.new", path)
    _log.error(
        "metadata database %s is damaged (%s): it was put aside as %s and replaced by its copy; %s",
        *(path, fault, aside, lost),
    )


def _aside(path: str) -> str:
    return f"{path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as found, open(target, "wb") as made:
        while data := found.read(1 << 20):
            made.write(data)


def _hold_back(path: str, why: str) -> None:
    with open(f"{path}.restored", "w", encoding="utf-8") as file:
        file.write(f"{why}; remove this file to collect garbage again\n")


def _sums(path: str) -> dict[str, str]:
    try:
        with open(f"{path}.sums", "rb") as file:
            found = json.loads(file.read(4096))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(path: str) -> str:
    import hashlib  # brings OpenSSL, and most starts have no digest to compare

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _replace(fresh: str, target: str) -> None:
    """Put a written file durably into another's place."""
    descriptor = os.open(fresh, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(fresh, target)
    _sync_folder(target)


def _sync_folder(path: str) -> None:
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
