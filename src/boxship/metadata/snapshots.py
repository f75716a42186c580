"""Snapshots as one namespace sees them: its own keys, parents and labels, over the backend's numbered keys.

Every row that a caller was told of has its backend snapshot. What the backend has without a row was left over and is
collected. A commit is written down before the backend carries it out, so that after a crash it is finished or undone
(`commits`), never half.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from boxship.core import snapshots
from boxship.core.mounts import Mount
from boxship.metadata import checks, commits, fields, holds, leases, rows
from boxship.terms import errors
from boxship.terms import labels as labels_
from boxship.terms.labels import Labels

_log = logging.getLogger(__name__)

_ONE = """
SELECT backend, parent, labels, created_at, updated_at
FROM snapshots WHERE namespace = ? AND snapshotter = ? AND key = ?"""
_ALL = """
SELECT key, backend, parent, labels, created_at, updated_at
FROM snapshots WHERE namespace = ? AND snapshotter = ? ORDER BY key"""
_ANY = "SELECT 1 FROM snapshots WHERE namespace = ? AND snapshotter = ? LIMIT 1"
_CHILD = """
SELECT 1 FROM snapshots WHERE namespace = ?1 AND snapshotter = ?2 AND parent = ?3
UNION ALL SELECT 1 FROM commits WHERE namespace = ?1 AND snapshotter = ?2 AND parent = ?3 LIMIT 1"""
_COMING = "SELECT 1 FROM commits WHERE namespace = ? AND snapshotter = ? AND name = ?"
_MANY = 32
"""From how many snapshots on one walk over the whole backend is cheaper than asking for each."""

_Make = Callable[..., list[Mount]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A snapshot as the book has it."""

    key: str
    backend: str
    parent: str
    labels: dict[str, str]
    created_at: int
    updated_at: int

    def over(self, info: snapshots.Info) -> snapshots.Info:
        """What the backend says, with our names, times and labels laid over it."""
        return snapshots.Info(
            name=self.key,
            kind=info.kind,
            parent=self.parent,
            labels={**info.labels, **self.labels},
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


class SnapshotsBook:
    """One snapshotter in one namespace."""

    def __init__(
        self,
        table: rows.Rows,
        namespace: str,
        lease: str,
        *,
        name: str,
        backend: snapshots.Snapshotter,
        busy: holds.Holds,
        turns: holds.Turns,
    ) -> None:
        self._rows = table
        self._namespace = namespace
        self._lease = lease
        self._name = name
        self._backend = backend
        self._busy = busy
        self._turns = turns

    def stat(self, key: str) -> snapshots.Info:
        row = self._get(self._rows, key)
        return row.over(self._backend.stat(row.backend))

    def update(self, info: snapshots.Info, paths: Iterable[str] | None = None) -> snapshots.Info:
        if not info.name:
            raise errors.InvalidArgument
        with self._turns.turn(self._turn(info.name)):
            old = self._get(self._rows, info.name)
            wanted = checks.only_labels(paths, f" on snapshot {checks.quoted(info.name)}")
            new = checks.updated("info.Labels", old.labels, info.labels, wanted)
            changed = dataclasses.replace(old, labels=new, updated_at=self._rows.clock())
            if (inner := _inherited(new)) != _inherited(old.labels):
                found = self._backend.update(
                    snapshots.Info(name=old.backend, kind=snapshots.Kind.UNKNOWN, labels=inner), wanted
                )
            else:
                found = self._backend.stat(old.backend)
            with self._rows.writing() as transaction:
                sql = """
                    UPDATE snapshots SET labels = ?, updated_at = ?
                    WHERE namespace = ? AND snapshotter = ? AND key = ? AND backend = ?"""
                where = (self._namespace, self._name, old.key, old.backend)
                values = (checks.packed(new), changed.updated_at, *where)
                if not transaction.execute(sql, values).rowcount:
                    raise _missing(info.name)
        return changed.over(found)

    def usage(self, key: str) -> snapshots.Usage:
        return self._backend.usage(self._get(self._rows, key).backend)

    def mounts(self, key: str) -> list[Mount]:
        return self._backend.mounts(self._get(self._rows, key).backend)

    def prepare(self, key: str, parent: str = "", *, labels: Labels | None = None) -> list[Mount]:
        return self._create(key, parent, labels, self._backend.prepare, announce=True)

    def view(self, key: str, parent: str = "", *, labels: Labels | None = None) -> list[Mount]:
        return self._create(key, parent, labels, self._backend.view, announce=False)

    def commit(self, name: str, key: str, *, parent: str = "", labels: Labels | None = None) -> None:
        if not name:
            raise errors.InvalidArgument("snapshot name must not be empty")
        checked = checks.checked("info.Labels", labels)
        backend = f"{self._namespace}/{self._rows.number()}/{name}"
        with self._turns.turn(self._turn(name), self._turn(key)), self._busy.holding(backend):
            plan = self._plan(name, key, parent, checked, backend)
            if plan is None:
                raise errors.AlreadyExists(f"snapshot {checks.quoted(name)}")
            try:
                self._backend.commit(backend, plan.backend_key, parent=plan.rebased, labels=_inherited(checked))
            except BaseException:
                self._conclude(key, backend)
                raise
            with self._rows.writing() as transaction:
                commits.finish(transaction, self._namespace, self._name, key, self._rows.clock())
                transaction.announce(
                    *(self._namespace, "/snapshot/commit", "containerd.events.SnapshotCommit"),
                    key=key,
                    name=name,
                    snapshotter=self._name,
                )

    def remove(self, key: str) -> None:
        with self._rows.writing(frees=True) as transaction:
            self._get(transaction, key)
            where = (self._namespace, self._name, key)
            if transaction.one(_CHILD, where):
                raise errors.FailedPrecondition("cannot remove snapshot with child")
            transaction.execute("DELETE FROM snapshots WHERE namespace = ? AND snapshotter = ? AND key = ?", where)
            leases.release(transaction, self._namespace, self._lease, leases.SNAPSHOTS + self._name, key)
            transaction.announce(
                *(self._namespace, "/snapshot/remove", "containerd.events.SnapshotRemove"),
                key=key,
                snapshotter=self._name,
            )
            transaction.freed = True

    def walk(self, filters: Sequence[str] = ()) -> Iterator[snapshots.Info]:
        wanted = fields.wanted(filters)
        found = [_row(*row) for row in self._rows.many(_ALL, (self._namespace, self._name))]
        known = {info.name: info for info in self._backend.walk()} if len(found) >= _MANY else None
        for row in found:
            try:
                info = known[row.backend] if known is not None else self._backend.stat(row.backend)
            except (errors.NotFound, KeyError):
                continue
            laid = row.over(info)
            if wanted.matches(fields.of_snapshot(laid)):
                yield laid

    def cleanup(self) -> None:
        """Have the backend throw away what no snapshot owns. Raises NotImplemented if it cannot."""
        clean(self._backend)

    def close(self) -> None:
        """The backend belongs to the daemon, so nothing is closed."""

    def _turn(self, key: str) -> str:
        return f"{self._name}/{self._namespace}/{key}"

    def _get(self, source: rows.Rows | rows.Transaction, key: str) -> _Row:
        row = source.one(_ONE, (self._namespace, self._name, key))
        if row is None:
            raise _missing(key)
        return _row(key, *row)

    def _find(self, key: str) -> _Row | None:
        row = self._rows.one(_ONE, (self._namespace, self._name, key))
        return None if row is None else _row(key, *row)

    def _hold(self, transaction: rows.Transaction, key: str) -> None:
        leases.hold(transaction, self._namespace, self._lease, leases.SNAPSHOTS + self._name, key)

    def _take(self, key: str) -> bool:
        """Whether a snapshot is there; the caller's lease holds it then, so that it does not go meanwhile."""
        if not self._find(key):
            return False
        if not self._lease:
            return True
        with self._rows.writing() as transaction:
            # Anew: a collection may have come in between.
            there = transaction.one(_ONE, (self._namespace, self._name, key)) is not None
            if there:
                self._hold(transaction, key)
        return there

    def _create(self, key: str, parent: str, labels: Labels | None, make: _Make, *, announce: bool) -> list[Mount]:
        if not key:
            raise errors.InvalidArgument("snapshot key must not be empty")
        checked = checks.checked("info.Labels", labels)
        target = checked.get(labels_.SNAPSHOT_REF, "")
        if target and self._take(target):
            raise errors.AlreadyExists(f"target snapshot {checks.quoted(target)}")
        if self._take(key):
            raise errors.AlreadyExists(f"snapshot {checks.quoted(key)}")
        leases.require(self._rows, self._namespace, self._lease)
        below = self._parent(self._rows, parent) if parent else ""
        backend = f"{self._namespace}/{self._rows.number()}/{key}"
        with self._busy.holding(backend):
            try:
                made = make(backend, below, labels=_inherited(checked))
            except errors.AlreadyExists as exc:
                if not target:
                    raise errors.Unknown(f"unexpected error from snapshotter: {exc}: unknown") from exc
                self._adopt(target, parent, below, checked)
                raise errors.AlreadyExists(f"target snapshot {checks.quoted(target)} from snapshotter") from exc
            now = self._rows.clock()
            row = _Row(key=key, backend=backend, parent=parent, labels=checked, created_at=now, updated_at=now)
            try:
                self._record(row, below, announce=announce)
            except BaseException:
                self._undo(backend)
                raise
        return made

    def _parent(self, source: rows.Rows | rows.Transaction, parent: str) -> str:
        row = source.one(_ONE, (self._namespace, self._name, parent))
        if row is None:
            raise errors.NotFound(f"parent snapshot {parent} does not exist")
        return str(row[0])

    def _record(self, row: _Row, below: str, *, announce: bool) -> None:
        """Write a snapshot's row, which is the moment when it is there. Raises AlreadyExists, NotFound."""
        with self._rows.writing() as transaction:
            transaction.use(self._namespace)
            if row.parent and self._parent(transaction, row.parent) != below:
                raise errors.Aborted(f"parent snapshot {row.parent} was replaced")
            self._hold(transaction, row.key)
            where = (self._namespace, self._name, row.key)
            values = (row.backend, row.parent or None, checks.packed(row.labels), row.created_at, row.updated_at)
            coming = transaction.one(_COMING, where)
            if coming or not transaction.execute(commits.MAKE, (*where, *values)).rowcount:
                raise errors.AlreadyExists(f"snapshot {checks.quoted(row.key)}")
            if announce:
                transaction.announce(
                    *(self._namespace, "/snapshot/prepare", "containerd.events.SnapshotPrepare"),
                    key=row.key,
                    parent=row.parent,
                    snapshotter=self._name,
                )

    def _undo(self, backend: str) -> None:
        try:
            self._backend.remove(backend)
        except errors.Error as exc:  # the first collection finds it
            _log.warning("snapshot %s of %s is left over: %s", backend, self._name, exc)

    def _adopt(self, target: str, parent: str, below: str, labels: Labels) -> None:
        """Take over what a remote snapshotter says it has: the committed snapshot that carries the target's name."""
        query = f"labels.{checks.quoted(labels_.SNAPSHOT_REF)}=={checks.quoted(target)},parent=={checks.quoted(below)}"
        for info in self._backend.walk((query,)):
            if info.kind is not snapshots.Kind.COMMITTED or info.parent != below:
                continue  # it does not know filters
            if info.labels.get(labels_.SNAPSHOT_REF) == target:
                break
        else:
            raise errors.NotFound(f"target snapshot {checks.quoted(target)} in backend")
        with self._busy.holding(info.name):
            self._backend.stat(info.name)
            now = self._rows.clock()
            row = _Row(
                key=target,
                backend=info.name,
                parent=parent,
                labels=checks.checked("info.Labels", {**info.labels, **labels}),
                created_at=info.created_at or now,
                updated_at=info.updated_at or now,
            )
            self._record(row, below, announce=False)

    def _plan(self, name: str, key: str, parent: str, labels: Labels, backend: str) -> "_Plan | None":
        """Check a commit and write it down; None when the name is taken."""
        with self._rows.writing(durable=False) as transaction:
            self._hold(transaction, name)
            if transaction.one(_ONE, (self._namespace, self._name, name)):
                return None
            if not transaction.one(_ANY, (self._namespace, self._name)):
                raise errors.NotFound(f"can not find snapshotter {checks.quoted(self._name)}")
            row = self._get(transaction, key)
            below = self._parent(transaction, row.parent or parent) if row.parent or parent else ""
            sql = """
                REPLACE INTO commits (namespace, snapshotter, key, name, backend, parent, labels, lease)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
            values = (backend, row.parent or parent or None, checks.packed(labels), self._lease)
            transaction.execute(sql, (self._namespace, self._name, key, name, *values))
        return _Plan(backend_key=row.backend, rebased="" if row.parent else below)

    def _conclude(self, key: str, backend: str) -> None:
        """After a failure: see what the backend did, and let the rows follow. If it cannot be asked, the next start does."""
        with contextlib.suppress(errors.Error):
            commits.conclude(self._rows, self._backend, (self._namespace, self._name, key), backend)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What to ask of the backend."""

    backend_key: str
    rebased: str


def clean(backend: snapshots.Snapshotter) -> None:
    """Raises NotImplemented when the snapshotter has no cleanup."""
    cleanup = getattr(backend, "cleanup", None)
    if cleanup is None:
        raise errors.NotImplemented("snapshotter does not implement Cleanup method")
    cleanup()


def _missing(key: str) -> errors.NotFound:
    return errors.NotFound(f"snapshot {key} does not exist")


def _row(key: str, backend: str, parent: str | None, labels: str, created_at: int, updated_at: int) -> _Row:
    return _Row(
        key=key,
        backend=backend,
        parent=parent or "",
        labels=checks.unpacked(labels),
        created_at=created_at,
        updated_at=updated_at,
    )


def _inherited(labels: Labels) -> dict[str, str]:
    """The labels that are the snapshotter's business."""
    return {
        key: value
        for key, value in labels.items()
        if key == labels_.SNAPSHOT_REF or key.startswith(labels_.SNAPSHOT_PREFIX)
    }


_: type[snapshots.Snapshotter] = SnapshotsBook
__: type[snapshots.Cleaner] = SnapshotsBook
