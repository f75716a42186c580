"""What a snapshotter remembers: which snapshots there are, what they are built on, and what they take.

One small SQLite database per snapshotter. Numbers are given once and never again: they name folders.
"""

import contextlib
import dataclasses
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from boxship.core import snapshots
from boxship.plugins.snapshots import faults
from boxship.terms import errors, labels
from boxship.terms.labels import Labels

_VERSION = 1
_SCHEMA = """
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('View', 'Active', 'Committed')),
    parent INTEGER REFERENCES snapshots (id) ON DELETE RESTRICT,
    size INTEGER NOT NULL DEFAULT 0 CHECK (size >= 0),
    inodes INTEGER NOT NULL DEFAULT 0 CHECK (inodes >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    labels TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX by_parent ON snapshots (parent);
"""
_COLUMNS = (
    "s.id, s.name, s.kind, coalesce(p.name, ''), s.size, s.inodes, s.created_at, s.updated_at, s.labels, "
    "coalesce(s.parent, 0)"
)
_FROM = "FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent"
_CHAIN = """
WITH RECURSIVE chain (id, depth) AS (
    SELECT ?, 0 UNION ALL SELECT s.parent, depth + 1 FROM snapshots s JOIN chain c ON s.id = c.id WHERE s.parent NOT NULL
) SELECT id FROM chain ORDER BY depth
"""
_Row = tuple[int, str, str, str, int, int, int, int, str, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One snapshot. `id` names its folder; `parents` are the ids below it, nearest first."""

    id: int
    info: snapshots.Info
    usage: snapshots.Usage
    parents: tuple[int, ...] = ()


class Records:
    """The records of one snapshotter. Many threads may use them; one writes at a time, readers never wait for disks."""

    def __init__(self, path: Path, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Raises DataLoss when the file is damaged."""
        self._clock = clock
        self._place = path.parent
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()
        try:
            self._writer = _connect(path)
            _migrate(self._writer)
            self._reader = _connect(path)
        except sqlite3.DatabaseError as exc:
            raise errors.DataLoss(
                f"snapshot records {path} cannot be read ({exc}); restore or remove the file"
            ) from exc

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction: what is done within holds together, and nobody else writes meanwhile."""
        with self._write_lock, faults.told("failed to write", self._place):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def get(self, key: str, *, chain: bool = False) -> Record:
        """Raises NotFound."""
        with self._read_lock:
            return self._get(self._reader, key, chain=chain)

    def all(self) -> list[Record]:
        """Everything, in order of names."""
        with self._read_lock:
            rows = self._reader.execute(f"SELECT {_COLUMNS} {_FROM} ORDER BY s.name").fetchall()
        return [_record(row) for row in rows]

    def ids(self) -> set[int]:
        """Numbers in use, as the transaction sees them."""
        return {number for (number,) in self._writer.execute("SELECT id FROM snapshots")}

    def draft(self, kind: snapshots.Kind, key: str, parent: str, given: Labels) -> Record:
        """The record that `create` would make, without a number yet.

        Raises AlreadyExists, NotFound, InvalidArgument as containerd does.
        """
        with self._read_lock:
            if self._number(self._reader, key):
                raise errors.AlreadyExists(f"failed to create snapshot: snapshot {key}")
            parents: tuple[int, ...] = ()
            if parent:
                below = self._number(self._reader, parent)
                if not below:
                    raise errors.NotFound(f'failed to create snapshot: missing parent "{parent}" bucket')
                found = self._get(self._reader, parent, chain=True)
                if found.info.kind is not snapshots.Kind.COMMITTED:
                    raise errors.InvalidArgument(
                        f'failed to create snapshot: parent "{parent}" is not committed snapshot'
                    )
                parents = (below, *found.parents)
        now = self._clock()
        info = snapshots.Info(
            name=key, kind=kind, parent=parent, labels=labels.checked(given), created_at=now, updated_at=now
        )
        return Record(id=0, info=info, usage=snapshots.Usage(), parents=parents)

    def create(self, draft: Record) -> Record:
        """Within a transaction: the record with its number. Raises as `draft` does, if things have changed since."""
        info = draft.info
        below = draft.parents[0] if draft.parents else None
        if below is not None and self._number(self._writer, info.parent) != below:
            raise errors.NotFound(f'failed to create snapshot: missing parent "{info.parent}" bucket')
        try:
            made = self._writer.execute(
                "INSERT INTO snapshots (name, kind, parent, created_at, updated_at, labels) VALUES (?, ?, ?, ?, ?, ?)",
                (info.name, info.kind.value, below, info.created_at, info.updated_at, json.dumps(dict(info.labels))),
            )
        except sqlite3.IntegrityError:
            raise errors.AlreadyExists(f"failed to create snapshot: snapshot {info.name}") from None
        return dataclasses.replace(draft, id=made.lastrowid or 0)

    def commit(self, name: str, key: str, *, parent: str, usage: snapshots.Usage, given: Labels) -> None:
        """Within a transaction: the active snapshot `key` becomes the committed `name`."""
        failed = f"failed to commit snapshot {key}"
        if name != key and self._writer.execute("SELECT 1 FROM snapshots WHERE name = ?", (name,)).fetchone():
            raise errors.AlreadyExists(f"{failed}: committed snapshot {name}")
        record = self._get(self._writer, key)
        if record.info.kind is not snapshots.Kind.ACTIVE:
            raise errors.FailedPrecondition(f'{failed}: snapshot "{key}" is not active')
        if name == key:
            raise errors.AlreadyExists(f"{failed}: committed snapshot {name}")
        if parent and parent != record.info.parent:
            self._rebase(record, parent, failed)
        now = self._clock()
        self._writer.execute(
            "UPDATE snapshots SET name = ?, kind = ?, size = ?, inodes = ?, created_at = ?, updated_at = ?, labels = ? "
            "WHERE id = ?",
            (
                name,
                snapshots.Kind.COMMITTED.value,
                usage.size,
                usage.inodes,
                now,
                now,
                json.dumps(labels.checked(given)),
                record.id,
            ),
        )

    def update(self, info: snapshots.Info, paths: Iterable[str] | None) -> snapshots.Info:
        """Within a transaction: change labels by field mask."""
        wanted = list(paths or ())
        for path in wanted:
            if path != "labels" and not path.startswith("labels."):
                raise errors.InvalidArgument(f'cannot update "{path}" field on snapshot "{info.name}"')
        old = self._get(self._writer, info.name)
        new = labels.updated(old.info.labels, info.labels, wanted)
        self._writer.execute(
            "UPDATE snapshots SET labels = ?, updated_at = ? WHERE id = ?", (json.dumps(new), self._clock(), old.id)
        )
        return self._get(self._writer, info.name).info

    def remove(self, key: str) -> int:
        """Within a transaction; the number that has become free for cleaning up."""
        row = self._writer.execute("SELECT id FROM snapshots WHERE name = ?", (key,)).fetchone()
        if row is None:
            raise errors.NotFound(f"failed to remove snapshot {key}: snapshot {key}")
        try:
            self._writer.execute("DELETE FROM snapshots WHERE id = ?", row)
        except sqlite3.IntegrityError:
            raise errors.FailedPrecondition(
                f"failed to remove snapshot {key}: cannot remove snapshot with child"
            ) from None
        number: int = row[0]
        return number

    def _rebase(self, record: Record, parent: str, failed: str) -> None:
        if record.info.parent:
            raise errors.InvalidArgument(
                f'{failed}: cannot change parent of active snapshot "{record.info.name}" on commit'
            )
        row = self._writer.execute("SELECT id, kind FROM snapshots WHERE name = ?", (parent,)).fetchone()
        if row is None:
            raise errors.NotFound(f'{failed}: missing parent "{parent}" of snapshot "{record.info.name}"')
        if row[1] != snapshots.Kind.COMMITTED.value:
            raise errors.FailedPrecondition(f'{failed}: parent "{parent}" is not committed')
        self._writer.execute("UPDATE snapshots SET parent = ? WHERE id = ?", (row[0], record.id))

    @staticmethod
    def _number(connection: sqlite3.Connection, key: str) -> int:
        """The number of a snapshot, 0 if there is none."""
        row = connection.execute("SELECT id FROM snapshots WHERE name = ?", (key,)).fetchone()
        number: int = row[0] if row else 0
        return number

    def _get(self, connection: sqlite3.Connection, key: str, *, chain: bool = False) -> Record:
        row = connection.execute(f"SELECT {_COLUMNS} {_FROM} WHERE s.name = ?", (key,)).fetchone()
        if row is None:
            raise errors.NotFound("snapshot does not exist")
        below = connection.execute(_CHAIN, (row[9],)).fetchall() if chain and row[9] else []
        return _record(row, tuple(number for (number,) in below))


def _record(row: _Row, parents: tuple[int, ...] = ()) -> Record:
    number, name, kind, parent, size, inodes, created_at, updated_at, given, _ = row
    return Record(
        id=number,
        info=snapshots.Info(
            name=name,
            kind=snapshots.Kind(kind),
            parent=parent,
            labels=json.loads(given),
            created_at=created_at,
            updated_at=updated_at,
        ),
        usage=snapshots.Usage(size=size, inodes=inodes),
        parents=parents,
    )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it has version {version}, made by a newer boxship; this one knows {_VERSION}")
    (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if health != "ok":
        raise sqlite3.DatabaseError(health)
    if version == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
