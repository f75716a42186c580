"""Whether the file can be trusted, and what to do when it cannot.

Beside `meta.db` lie `meta.db.copy`, a whole copy from some time before, and, after a clean shutdown, `meta.db.sums` with
the digests of both. At start the file is compared with its digest, or after a crash left to SQLite's recovery, and
checked through. A damaged one is put aside as `meta.db.corrupt-TIME` and replaced by the copy. When the copy is older
than the last change, things are missing from it that the backends still have: then `meta.db.restored` is written, and
while it exists nothing is taken from the backends.
"""

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import time

from boxship.metadata import rows
from boxship.terms import errors

_log = logging.getLogger(__name__)

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


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
    target = f"{table.path}.copy"
    fresh = f"{target}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    table.backup(fresh)
    _replace(fresh, target)


def seal(path: str) -> None:
    """Note the digests of a file that was closed and of its copy, which holds the same."""
    fresh = f"{path}.sums.new"
    with open(fresh, "w", encoding="ascii") as file:
        json.dump({"main": _digest(path), "copy": _digest(f"{path}.copy")}, file)
    _replace(fresh, f"{path}.sums")


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
    flags = "immutable=1" if immutable else "mode=rw"
    try:
        connection = sqlite3.connect(f"file:{_quoted(path)}?{flags}", uri=True, isolation_level=None)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
            foreign = connection.execute("PRAGMA foreign_key_check").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as exc:
        if (getattr(exc, "sqlite_errorcode", 0) or 0) & 0xFF in _DAMAGE:
            return str(exc)
        raise rows.translated(exc) from exc
    if found != ["ok"]:
        return "; ".join(found)[:500]
    return f"a row of {foreign[0]} refers to nothing" if foreign else ""


def _restore(path: str, fault: str) -> None:
    copy = f"{path}.copy"
    if not _size(copy) or _inconsistency(copy, immutable=True):
        raise errors.DataLoss(
            f"metadata database {path} is damaged ({fault}) and there is no good copy of it:"
            f" put a backup in its place, or move it away to begin with an empty one"
        )
    whole = _sums(path).get("copy") == _digest(copy) and not _size(f"{path}-wal")
    aside = f"{path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.rename(path + suffix, aside + suffix)
    with open(copy, "rb") as source, open(f"{path}.new", "wb") as target:
        while data := source.read(1 << 20):
            target.write(data)
    if whole:
        lost = "nothing is lost"
    else:
        lost = f"what changed since the copy was made is lost, and no content or snapshot is collected until you remove {path}.restored"
        with open(f"{path}.restored", "w", encoding="utf-8") as file:
            file.write(
                f"metadata database was {fault} and was replaced by an older copy; remove this file to collect garbage again\n"
            )
    _replace(f"{path}.new", path)
    _log.error(
        "metadata database %s is damaged (%s): it was put aside as %s and replaced by its copy; %s",
        path,
        fault,
        aside,
        lost,
    )


def _sums(path: str) -> dict[str, str]:
    try:
        with open(f"{path}.sums", "rb") as file:
            found = json.loads(file.read(4096))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(path: str) -> str:
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
