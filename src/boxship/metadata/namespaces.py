"""Namespaces as rows; everything else refers to them."""

from collections.abc import Iterable, Iterator

from boxship.core import namespaces
from boxship.metadata import checks, rows
from boxship.terms import errors, identifiers
from boxship.terms.labels import Labels

_WHERE = "namespace.Labels"


class NamespacesBook:
    """The namespaces of one file.

    As in containerd, whose clients count on it, `get` answers for any name, with no labels for one that nobody made,
    and `update` makes what is not there.
    """

    def __init__(self, table: rows.Rows) -> None:
        self._rows = table

    def create(self, name: str, labels: Labels) -> namespaces.Info:
        identifiers.validate(name)
        info = namespaces.Info(name=name, labels=checks.checked(_WHERE, labels))
        with self._rows.writing() as transaction:
            sql = "INSERT INTO namespaces (name, labels) VALUES (?, ?) ON CONFLICT DO NOTHING"
            if not transaction.execute(sql, (name, checks.packed(info.labels))).rowcount:
                raise errors.AlreadyExists(f"namespace {checks.quoted(name)}")
            _announce(transaction, "create", "NamespaceCreate", info)
        return info

    def get(self, name: str) -> namespaces.Info:
        row = self._rows.one("SELECT labels FROM namespaces WHERE name = ?", (name,))
        return namespaces.Info(name=name, labels=checks.unpacked(row[0]) if row else {})

    def update(self, info: namespaces.Info, paths: Iterable[str] | None = None) -> namespaces.Info:
        wanted = checks.only_labels(paths, "")
        identifiers.validate(info.name)
        with self._rows.writing() as transaction:
            transaction.use(info.name)
            row = transaction.one("SELECT labels FROM namespaces WHERE name = ?", (info.name,))
            assert row is not None
            labels = checks.updated(_WHERE, checks.unpacked(row[0]), info.labels, wanted)
            sql = "UPDATE namespaces SET labels = ? WHERE name = ?"
            transaction.execute(sql, (checks.packed(labels), info.name))
            _announce(transaction, "update", "NamespaceUpdate", info)
        return namespaces.Info(name=info.name, labels=labels)

    def delete(self, name: str) -> None:
        with self._rows.writing(frees=True) as transaction:
            if left := _occupants(transaction, name):
                raise errors.FailedPrecondition(
                    f"namespace {checks.quoted(name)} must be empty, but it still has {', '.join(left)}"
                )
            if not transaction.execute("DELETE FROM namespaces WHERE name = ?", (name,)).rowcount:
                raise errors.NotFound(f"namespace {checks.quoted(name)}")
            transaction.announce(name, "/namespaces/delete", "containerd.events.NamespaceDelete", name=name)
            transaction.freed = True

    def walk(self) -> Iterator[namespaces.Info]:
        for name, labels in self._rows.many("SELECT name, labels FROM namespaces ORDER BY name"):
            yield namespaces.Info(name=name, labels=checks.unpacked(labels))


def _announce(transaction: rows.Transaction, verb: str, name: str, info: namespaces.Info) -> None:
    transaction.announce(
        info.name, f"/namespaces/{verb}", f"containerd.events.{name}", name=info.name, labels=dict(info.labels)
    )


def _occupants(transaction: rows.Transaction, name: str) -> list[str]:
    left = [
        noun
        for noun, table in (("images", "images"), ("blobs", "blobs"), ("containers", "containers"))
        if transaction.one(f"SELECT 1 FROM {table} WHERE namespace = ? LIMIT 1", (name,))  # noqa: S608  our own names
    ]
    sql = "SELECT DISTINCT snapshotter FROM snapshots WHERE namespace = ? ORDER BY snapshotter"
    return left + [f"snapshots on {checks.quoted(row[0])} snapshotter" for row in transaction.many(sql, (name,))]


_: type[namespaces.Store] = NamespacesBook
