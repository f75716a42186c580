"""Commits of snapshots change two places, the rows and the backend; here they are brought together after a crash.

The plan is written down first, then the backend commits, then the rows follow and the plan is struck out. Whether the
backend has the new snapshot tells how far a commit came that was cut short.
"""

import logging
from collections.abc import Mapping

from boxship.core import snapshots
from boxship.metadata import leases, rows
from boxship.terms import errors

_log = logging.getLogger(__name__)

MAKE = """
INSERT INTO snapshots (namespace, snapshotter, key, backend, parent, labels, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""


def recover(table: rows.Rows, backends: Mapping[str, snapshots.Snapshotter]) -> None:
    """Finish or undo the commits that a crash cut short. Those of snapshotters that are not loaded wait.

    What can be neither must not stop the start: it waits too, and goes when the snapshot is removed.
    """
    for namespace, name, key, backend in table.many("SELECT namespace, snapshotter, key, backend FROM commits"):
        if name in backends:
            try:
                said = "finished" if conclude(table, backends[name], (namespace, name, key), backend) else "undone"
            except errors.Error as exc:
                said = f"and stays so until the snapshot is removed: {exc}"
            _log.warning("snapshot %s/%s/%s: commit was cut short, %s", name, namespace, key, said)


def conclude(table: rows.Rows, store: snapshots.Snapshotter, where: tuple[str, str, str], backend: str) -> bool:
    """Finish a commit if the backend has its snapshot, else undo it; whether it was finished."""
    try:
        store.stat(backend)
    except errors.NotFound:
        done = False
    else:
        done = True
    namespace, snapshotter, key = where
    with table.writing() as transaction:
        if done:
            finish(transaction, namespace, snapshotter, key, table.clock())
        else:
            sql = "DELETE FROM commits WHERE namespace = ? AND snapshotter = ? AND key = ? RETURNING name, lease"
            for name, lease in transaction.many(sql, where):
                leases.release(transaction, namespace, lease, leases.SNAPSHOTS + snapshotter, name)
    return done


def finish(transaction: rows.Transaction, namespace: str, snapshotter: str, key: str, now: int) -> None:
    """Put the committed snapshot into the place of the active one."""
    sql = """
        DELETE FROM commits WHERE namespace = ? AND snapshotter = ? AND key = ?
        RETURNING name, backend, parent, labels, lease"""
    plan = transaction.one(sql, (namespace, snapshotter, key))
    if plan is None:
        raise errors.NotFound(f"snapshot {key} does not exist")
    name, backend, parent, labels, lease = plan
    transaction.execute(
        "DELETE FROM snapshots WHERE namespace = ? AND snapshotter = ? AND key = ?", (namespace, snapshotter, key)
    )
    transaction.execute(MAKE, (namespace, snapshotter, name, backend, parent, labels, now, now))
    leases.release(transaction, namespace, lease, leases.SNAPSHOTS + snapshotter, key)
