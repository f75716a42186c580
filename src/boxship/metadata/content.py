"""Content as one namespace sees it: which blobs it has, under which labels, and its own refs.

The bytes are in the backend and may be shared by namespaces. A blob is there when a row says so; the row is written
after the backend has made the bytes durable. An ingest's row is written before the backend opens it, so that
whatever the backend holds without a row is rubbish.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from boxship.core import content
from boxship.metadata import checks, fields, holds, leases, rows, writers
from boxship.terms import errors, labels, oci

EXPIRY = 24 * 3600 * 1_000_000_000
"""Nanoseconds that an ingest which no lease holds is kept after it was last opened."""

_ONE = "SELECT size, labels, created_at, updated_at FROM blobs WHERE namespace = ? AND digest = ?"
_ALL = "SELECT digest, size, labels, created_at, updated_at FROM blobs WHERE namespace = ? ORDER BY digest"
_SHAREABLE = """
SELECT 1 FROM blobs JOIN namespaces ON namespaces.name = blobs.namespace
WHERE blobs.digest = ? AND json_extract(namespaces.labels, ?) = 'true' LIMIT 1"""
_OPEN = """
INSERT INTO ingests (namespace, ref, backend, expected, expires_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (namespace, ref) DO UPDATE SET expected = excluded.expected, expires_at = excluded.expires_at
RETURNING backend"""


class ContentBook:
    """The content of one namespace. `shared`: blobs of other namespaces may be adopted by their digest alone."""

    def __init__(
        self,
        table: rows.Rows,
        namespace: str,
        lease: str,
        *,
        backend: content.Store,
        busy: holds.Holds,
        turns: holds.Turns,
        shared: bool,
    ) -> None:
        self._rows = table
        self._namespace = namespace
        self._lease = lease
        self._backend = backend
        self._busy = busy
        self._turns = turns
        self._shared = shared

    def info(self, digest: str) -> content.Info:
        return self._rows.remembered.get(key(self._namespace, digest), lambda: self._read(digest))

    def update(self, info: content.Info, paths: Iterable[str] | None = None) -> content.Info:
        with self._rows.writing() as transaction:
            row = transaction.one(_ONE, (self._namespace, info.digest))
            if row is None:
                raise _missing(info.digest)
            wanted = checks.only_labels(paths, f" on content info {checks.quoted(info.digest)}")
            old = _info(info.digest, row)
            changed = dataclasses.replace(
                old,
                labels=checks.updated("info.Labels", old.labels, info.labels, wanted),
                updated_at=self._rows.clock(),
            )
            sql = "UPDATE blobs SET labels = ?, updated_at = ? WHERE namespace = ? AND digest = ?"
            values = (checks.packed(changed.labels), changed.updated_at, self._namespace, info.digest)
            transaction.execute(sql, values)
            transaction.changed.append(key(self._namespace, info.digest))
        return changed

    def walk(self, filters: Sequence[str] = ()) -> Iterator[content.Info]:
        wanted = fields.wanted(filters)
        for digest, *row in self._rows.many(_ALL, (self._namespace,)):
            info = _info(digest, row)
            if wanted.matches(fields.of_blob(info)):
                yield info

    def delete(self, digest: str) -> None:
        with self._rows.writing(frees=True) as transaction:
            sql = "DELETE FROM blobs WHERE namespace = ? AND digest = ?"
            if not transaction.execute(sql, (self._namespace, digest)).rowcount:
                raise _missing(digest)
            transaction.changed.append(key(self._namespace, digest))
            leases.release(transaction, self._namespace, self._lease, leases.CONTENT, digest)
            transaction.announce(self._namespace, "/content/delete", "containerd.events.ContentDelete", digest=digest)
            transaction.freed = True

    def reader(self, descriptor: oci.Descriptor) -> content.Reader:
        self.info(descriptor.digest)
        return self._backend.reader(descriptor)

    def writer(self, ref: str, *, total: int = 0, expected: str = "") -> content.Writer:
        if not ref:
            raise errors.InvalidArgument("ref must not be empty")
        if expected and self._take(expected):
            raise errors.AlreadyExists(f"content {expected}")
        with self._turns.turn(self._turn(ref)):
            with self._busy.holding(expected):
                adopted = self._adoptable(expected, total)
                backend_ref = self._open(ref, adopted)
            writer = writers.BlobWriter(
                *(self._rows, self._backend, self._busy),
                place=writers.Place(namespace=self._namespace, lease=self._lease, ref=ref, backend_ref=backend_ref),
                adopted=adopted,
                total=total,
            )
            if adopted is None:
                writer.open()
        return writer

    def status(self, ref: str) -> content.Status:
        sql = "SELECT backend FROM ingests WHERE namespace = ? AND ref = ?"
        row = self._rows.one(sql, (self._namespace, ref))
        if row is None:
            raise errors.NotFound(f"reference {ref}")
        return dataclasses.replace(self._backend.status(row[0]), ref=ref)

    def list_statuses(self, filters: Sequence[str] = ()) -> list[content.Status]:
        wanted = fields.wanted(filters)
        found: list[content.Status] = []
        sql = "SELECT ref, backend FROM ingests WHERE namespace = ? ORDER BY ref"
        for ref, backend_ref in self._rows.many(sql, (self._namespace,)):
            try:
                status = dataclasses.replace(self._backend.status(backend_ref), ref=ref)
            except errors.NotFound:  # adopted, or opened and not begun
                continue
            if wanted.matches(fields.of_ingest(status)):
                found.append(status)
        return found

    def abort(self, ref: str) -> None:
        with self._turns.turn(self._turn(ref)):
            row = self._rows.one("SELECT backend FROM ingests WHERE namespace = ? AND ref = ?", (self._namespace, ref))
            if row is None:
                raise errors.NotFound(f"reference {ref}")
            with contextlib.suppress(errors.NotFound):  # nothing was written under it
                self._backend.abort(row[0])
            with self._rows.writing() as transaction:
                transaction.execute("DELETE FROM ingests WHERE namespace = ? AND ref = ?", (self._namespace, ref))
                leases.release(transaction, self._namespace, self._lease, leases.INGESTS, ref)

    def _read(self, digest: str) -> content.Info:
        row = self._rows.one(_ONE, (self._namespace, digest))
        if row is None:
            raise _missing(digest)
        return _info(digest, row)

    def _turn(self, ref: str) -> str:
        """Opening and aborting an ingest change both the rows and the backend, one after the other."""
        return f"ingests/{self._namespace}/{ref}"

    def _take(self, digest: str) -> bool:
        """Whether the blob is there; the caller's lease holds it then."""
        if not self._has(self._rows, digest):
            return False
        with self._rows.writing() as transaction:
            # Anew: a collection may have come in between.
            there = self._has(transaction, digest)
            if there:
                leases.hold(transaction, self._namespace, self._lease, leases.CONTENT, digest)
        return there

    def _has(self, source: rows.Rows | rows.Transaction, digest: str) -> bool:
        return (
            source.one("SELECT 1 FROM blobs WHERE namespace = ? AND digest = ?", (self._namespace, digest)) is not None
        )

    def _adoptable(self, expected: str, total: int) -> content.Info | None:
        """The blob as the backend has it, when this namespace may take it without bringing the bytes."""
        if not expected or not (self._shared or self._rows.one(_SHAREABLE, (expected, f'$."{labels.SHAREABLE}"'))):
            return None
        try:
            found = self._backend.info(expected)
        except errors.NotFound:
            return None
        return found if total in {0, found.size} else None

    def _open(self, ref: str, adopted: content.Info | None) -> str:
        """Write the ingest's row; the ref under which the backend keeps it."""
        expected = adopted.digest if adopted else ""
        fresh = f"{self._namespace}/{self._rows.number()}/{ref}"
        with self._rows.writing(durable=False) as transaction:
            transaction.use(self._namespace)
            leased = leases.hold(transaction, self._namespace, self._lease, leases.INGESTS, ref)
            expires_at = None if leased else self._rows.clock() + EXPIRY
            row = transaction.one(_OPEN, (self._namespace, ref, fresh, expected, expires_at))
            assert row is not None
        return str(row[0])


def key(namespace: str, digest: str) -> tuple[str, str, str]:
    """Under which a blob is remembered (rows.Transaction.changed)."""
    return "blob", namespace, digest


def _missing(digest: str) -> errors.NotFound:
    return errors.NotFound(f"content digest {digest}")


def _info(digest: str, row: Sequence[object]) -> content.Info:
    size, blob_labels, created_at, updated_at = row
    return content.Info(
        digest=digest,
        size=size,  # type: ignore[arg-type]  # a STRICT table keeps the types
        labels=checks.unpacked(str(blob_labels)),
        created_at=created_at,  # type: ignore[arg-type]
        updated_at=updated_at,  # type: ignore[arg-type]
    )


_: type[content.Store] = ContentBook
