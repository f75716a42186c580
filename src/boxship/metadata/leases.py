"""Leases and their members as rows."""

import base64
import os
from collections.abc import Sequence

from boxship.core import leases
from boxship.metadata import checks, fields, rows
from boxship.terms import digests, errors
from boxship.terms.labels import Labels

CONTENT = "content"
IMAGES = "images"
INGESTS = "ingests"
SNAPSHOTS = "snapshots/"
"""The type of a snapshot is this and the snapshotter's name."""


def hold(transaction: rows.Transaction, namespace: str, lease: str, type: str, id: str) -> bool:
    """Make a thing a member of the lease, if there is one. Raises NotFound when the lease is gone."""
    if not lease:
        return False
    require(transaction, namespace, lease)
    sql = "INSERT INTO leased (namespace, lease, type, id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    transaction.execute(sql, (namespace, lease, type, id))
    return True


def release(transaction: rows.Transaction, namespace: str, lease: str, type: str, id: str) -> None:
    """Take a thing out of the lease, if there is one."""
    if lease:
        sql = "DELETE FROM leased WHERE namespace = ? AND lease = ? AND type = ? AND id = ?"
        transaction.execute(sql, (namespace, lease, type, id))


def require(source: rows.Transaction | rows.Rows, namespace: str, lease: str) -> None:
    """Raises NotFound when a lease is named that does not exist."""
    if lease and not source.one("SELECT 1 FROM leases WHERE namespace = ? AND id = ?", (namespace, lease)):
        raise errors.NotFound("lease does not exist")


class LeasesBook:
    """The leases of one namespace. `collect` is what a synchronous deletion waits for."""

    def __init__(self, table: rows.Rows, namespace: str, collect: rows.Collect) -> None:
        self._rows = table
        self._namespace = namespace
        self._collect = collect

    def create(self, id: str = "", labels: Labels | None = None) -> leases.Lease:
        now = self._rows.clock()
        name = id or f"{now % 1_000_000_000}-{base64.urlsafe_b64encode(os.urandom(3)).decode()}"
        lease = leases.Lease(id=name, created_at=now, labels=checks.checked("lease.Labels", labels))
        with self._rows.writing() as transaction:
            transaction.use(self._namespace)
            sql = "INSERT INTO leases (namespace, id, labels, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
            values = (self._namespace, lease.id, checks.packed(lease.labels), now)
            if not transaction.execute(sql, values).rowcount:
                raise errors.AlreadyExists(f"lease {checks.quoted(lease.id)}")
        return lease

    def delete(self, id: str, *, synchronous: bool = False) -> None:
        with self._rows.writing(frees=True) as transaction:
            sql = "DELETE FROM leases WHERE namespace = ? AND id = ?"
            if not transaction.execute(sql, (self._namespace, id)).rowcount:
                raise errors.NotFound(f"lease {checks.quoted(id)}")
            transaction.freed = True
        if synchronous:
            self._collect()

    def list(self, filters: Sequence[str] = ()) -> Sequence[leases.Lease]:
        wanted = fields.wanted_records(filters)
        sql = "SELECT id, labels, created_at FROM leases WHERE namespace = ? ORDER BY id"
        found = (
            leases.Lease(id=id, labels=checks.unpacked(labels), created_at=created_at)
            for id, labels, created_at in self._rows.many(sql, (self._namespace,))
        )
        return [lease for lease in found if wanted.matches(fields.of_lease(lease))]

    def add_resource(self, id: str, resource: leases.Resource) -> None:
        with self._rows.writing() as transaction:
            self._require(transaction, id)
            _check(resource)
            hold(transaction, self._namespace, id, resource.type, resource.id)

    def delete_resource(self, id: str, resource: leases.Resource) -> None:
        with self._rows.writing(frees=True) as transaction:
            self._require(transaction, id)
            _check(resource)
            release(transaction, self._namespace, id, resource.type, resource.id)
            transaction.freed = True

    def list_resources(self, id: str) -> Sequence[leases.Resource]:
        self._require(self._rows, id)
        sql = "SELECT type, id FROM leased WHERE namespace = ? AND lease = ? ORDER BY type, id"
        return [leases.Resource(type=type, id=id) for type, id in self._rows.many(sql, (self._namespace, id))]

    def _require(self, source: rows.Transaction | rows.Rows, id: str) -> None:
        if not source.one("SELECT 1 FROM leases WHERE namespace = ? AND id = ?", (self._namespace, id)):
            raise errors.NotFound(f"lease {checks.quoted(id)}")


def _check(resource: leases.Resource) -> None:
    kind, *rest = resource.type.split("/")
    if kind == "snapshots":
        if len(rest) != 1 or not rest[0]:
            raise errors.InvalidArgument(f"invalid snapshot resource type {resource.type}")
    elif kind not in {CONTENT, IMAGES, INGESTS}:
        raise errors.NotImplemented(f"resource type {resource.type} not supported yet")
    elif rest:
        raise errors.InvalidArgument(f"invalid resource type {resource.type}")
    if kind == CONTENT:
        try:
            digests.parse(resource.id)
        except errors.InvalidArgument as exc:
            raise errors.InvalidArgument(f"invalid content resource id {resource.id[:200]}: {exc.message}") from exc
    elif not resource.id:
        raise errors.InvalidArgument(f"resource of type {resource.type} must have an id")


_: type[leases.Manager] = LeasesBook
