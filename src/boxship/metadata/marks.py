"""Mark and sweep over the rows: one transaction, in which nobody else writes.

What the rows lose here the backends lose afterwards (`sweep`).
"""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator

from boxship.core import gc
from boxship.core.gc import Kind, Node
from boxship.metadata import checks, content, leases, references, rows
from boxship.terms import labels as labels_
from boxship.terms.labels import Labels

Counts = collections.Counter[Kind]
Roots = Callable[[], Iterable[Node]]
"""Further roots: what somebody uses that the book does not know of."""

_LABELED = f"labels LIKE '%{references.MARK}%'"
_TYPES = {leases.CONTENT: Kind.CONTENT, leases.IMAGES: Kind.IMAGE, leases.INGESTS: Kind.INGEST}


def collect(transaction: rows.Transaction, now: int, further: Iterable[Node] = ()) -> Counts:
    """Delete every row that cannot be reached; how many of each kind."""
    graph = _Graph(transaction, now)
    reached = gc.reachable([*graph.roots(), *further], graph.references)
    kept = {(node.kind, node.namespace, node.key) for node in reached}
    counts: Counts = collections.Counter()
    for kind, namespace, key in graph.all():
        if (kind, namespace, key) not in kept:
            _remove(transaction, kind, namespace, key)
            counts[kind] += 1
    return counts


class _Graph:
    """The rows as nodes. Everything that a label can say is read once, with the roots."""

    def __init__(self, transaction: rows.Transaction, now: int) -> None:
        self._rows = transaction
        self._now = now
        self._edges: collections.defaultdict[Node, list[Node]] = collections.defaultdict(list)
        self._roots: list[Node] = []
        self._conditions: list[tuple[Node, Node, str, int]] = []
        self._used_at: dict[Node, int] = {}

    def roots(self) -> list[Node]:
        self._read_snapshots()
        self._read_containers()
        self._read_content()
        self._read_images()
        self._read_leases()
        for node, snapshot, operator, limit in self._conditions:
            if snapshot in self._used_at:
                unused = self._now - self._used_at[snapshot]
                if unused < limit if operator == "<" else unused > limit:
                    self._edges[snapshot].append(node)
        return self._roots

    def references(self, node: Node) -> Iterable[Node]:
        return self._edges.get(node, ())

    def all(self) -> Iterator[tuple[Kind, str, str]]:
        """Everything that can be collected."""
        for kind, sql in (
            (Kind.LEASE, "SELECT namespace, id FROM leases"),
            (Kind.SNAPSHOT, "SELECT namespace, snapshotter || '/' || key FROM snapshots"),
            (Kind.INGEST, "SELECT namespace, ref FROM ingests"),
            (Kind.CONTENT, "SELECT namespace, digest FROM blobs"),
            (Kind.IMAGE, "SELECT namespace, name FROM images"),
        ):
            for namespace, key in self._rows.many(sql):
                yield kind, namespace, key

    def _labeled(self, node: Node, labels: Labels, *, conditional: bool = False) -> None:
        self._edges[node].extend(references.forward(node.namespace, labels))
        for other in references.backward(node.namespace, labels):
            self._edges[other].append(node)
        if conditional:
            for snapshot, operator, limit in references.conditions(node.namespace, labels):
                self._conditions.append((node, snapshot, operator, limit))

    def _read_snapshots(self) -> None:
        sql = "SELECT namespace, snapshotter, key, parent, labels FROM snapshots"
        for namespace, snapshotter, key, parent, text in self._rows.many(sql):
            node = Node(Kind.SNAPSHOT, namespace, f"{snapshotter}/{key}")
            if parent is not None:
                self._edges[node].append(Node(Kind.SNAPSHOT, namespace, f"{snapshotter}/{parent}"))
            if references.MARK not in text:
                continue
            labels = checks.unpacked(text)
            self._labeled(node, labels)
            if references.is_root(labels):
                self._roots.append(node)
            if (used_at := references.used_at(labels)) is not None:
                self._used_at[node] = used_at
        for namespace, snapshotter, *keys in self._rows.many("SELECT namespace, snapshotter, key, parent FROM commits"):
            self._roots.extend(
                Node(Kind.SNAPSHOT, namespace, f"{snapshotter}/{key}") for key in keys if key is not None
            )

    def _read_containers(self) -> None:
        sql = "SELECT namespace, id, snapshotter, snapshot_key, labels FROM containers"
        for namespace, id, snapshotter, key, text in self._rows.many(sql):
            node = Node(Kind.CONTAINER, namespace, id)
            self._roots.append(node)
            if snapshotter:
                self._edges[node].append(Node(Kind.SNAPSHOT, namespace, f"{snapshotter}/{key}"))
            if references.MARK in text:
                self._labeled(node, checks.unpacked(text))

    def _read_content(self) -> None:
        sql = f"SELECT namespace, digest, labels FROM blobs WHERE {_LABELED}"  # noqa: S608  our own words
        for namespace, digest, text in self._rows.many(sql):
            node, labels = Node(Kind.CONTENT, namespace, digest), checks.unpacked(text)
            self._labeled(node, labels, conditional=True)
            if references.is_root(labels):
                self._roots.append(node)
        for namespace, ref, expected, expires_at in self._rows.many(
            "SELECT namespace, ref, expected, expires_at FROM ingests"
        ):
            node = Node(Kind.INGEST, namespace, ref)
            if expected:
                self._edges[node].append(Node(Kind.CONTENT, namespace, expected))
            if expires_at is not None and expires_at >= self._now:
                self._roots.append(node)

    def _read_images(self) -> None:
        for namespace, name, digest, text in self._rows.many("SELECT namespace, name, digest, labels FROM images"):
            node, labels = Node(Kind.IMAGE, namespace, name), checks.unpacked(text)
            self._edges[node].append(Node(Kind.CONTENT, namespace, digest))
            self._labeled(node, labels, conditional=True)
            if not references.is_expired(labels, self._now):
                self._roots.append(node)

    def _read_leases(self) -> None:
        for namespace, lease, text in self._rows.many("SELECT namespace, id, labels FROM leases"):
            labels = checks.unpacked(text)
            if references.is_expired(labels, self._now):
                continue
            self._roots.append(Node(Kind.LEASE, namespace, lease))
            flat = labels_.GC_FLAT in labels
            sql = "SELECT type, id FROM leased WHERE namespace = ? AND lease = ?"
            for type, id in self._rows.many(sql, (namespace, lease)):
                self._roots.extend(self._member(namespace, type, id, flat=flat))

    def _member(self, namespace: str, type: str, id: str, *, flat: bool) -> Iterator[Node]:
        """A lease's member as a root. A flat one brings what it cannot be without: parents, an image's target."""
        if type in _TYPES:
            node = Node(_TYPES[type], namespace, id)
        else:
            node = Node(Kind.SNAPSHOT, namespace, f"{type.removeprefix(leases.SNAPSHOTS)}/{id}")
        if not flat or node.kind is Kind.INGEST:
            yield node
            return
        yield dataclasses.replace(node, flat=True)
        if node.kind is Kind.IMAGE:
            sql = "SELECT digest FROM images WHERE namespace = ? AND name = ?"
            for (digest,) in self._rows.many(sql, (namespace, id)):
                yield Node(Kind.CONTENT, namespace, digest, flat=True)
        elif node.kind is Kind.SNAPSHOT:
            snapshotter = type.removeprefix(leases.SNAPSHOTS)
            for key in _parents(self._rows, namespace, snapshotter, id):
                yield Node(Kind.SNAPSHOT, namespace, f"{snapshotter}/{key}", flat=True)


def _parents(transaction: rows.Transaction, namespace: str, snapshotter: str, key: str) -> Iterator[str]:
    sql = "SELECT parent FROM snapshots WHERE namespace = ? AND snapshotter = ? AND key = ?"
    row = transaction.one(sql, (namespace, snapshotter, key))
    while row and row[0] is not None:
        yield row[0]
        row = transaction.one(sql, (namespace, snapshotter, row[0]))


def _remove(transaction: rows.Transaction, kind: Kind, namespace: str, key: str) -> None:
    match kind:
        case Kind.SNAPSHOT:
            snapshotter, _, name = key.partition("/")
            sql = "DELETE FROM snapshots WHERE namespace = ? AND snapshotter = ? AND key = ?"
            transaction.execute(sql, (namespace, snapshotter, name))
            transaction.announce(
                *(namespace, "/snapshot/remove", "containerd.events.SnapshotRemove"), key=name, snapshotter=snapshotter
            )
        case Kind.IMAGE:
            transaction.execute("DELETE FROM images WHERE namespace = ? AND name = ?", (namespace, key))
            transaction.announce(namespace, "/images/delete", "containerd.services.images.v1.ImageDelete", name=key)
        case Kind.CONTENT:
            transaction.execute("DELETE FROM blobs WHERE namespace = ? AND digest = ?", (namespace, key))
            transaction.changed.append(content.key(namespace, key))
        case Kind.INGEST:
            transaction.execute("DELETE FROM ingests WHERE namespace = ? AND ref = ?", (namespace, key))
        case _:
            transaction.execute("DELETE FROM leases WHERE namespace = ? AND id = ?", (namespace, key))
