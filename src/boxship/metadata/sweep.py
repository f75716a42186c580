"""Taking from the backends what no row names any more.

Writers go on meanwhile. What to remove is found without any lock; each single removal then excludes those who are
busy with that thing (`holds`) and asks the rows once more.
"""

import logging

from boxship.core import content, snapshots
from boxship.metadata import holds, rows
from boxship.metadata import snapshots as snapshots_
from boxship.terms import errors

_log = logging.getLogger(__name__)

_NEEDED = """
SELECT 1 WHERE EXISTS (SELECT 1 FROM blobs WHERE digest = ?1)
OR EXISTS (SELECT 1 FROM ingests WHERE expected = ?1 AND expected <> '')"""


def sweep_snapshots(table: rows.Rows, name: str, backend: snapshots.Snapshotter, busy: holds.Holds) -> int:
    """Remove snapshots without a row, children first, and clean up; how many went."""
    removed = 0
    for key in _children_first(backend, _named(table, name)):
        with busy.removing(key) as free:
            if not free or key in _named(table, name, key):
                continue
            try:
                backend.remove(key)
                removed += 1
            except errors.NotFound:
                continue
            except errors.Error as exc:  # in use or not answering: the next time
                _log.warning("cannot remove snapshot %s of %s: %s", key, name, exc)
    try:
        snapshots_.clean(backend)
    except errors.NotImplemented:
        pass
    except errors.Error as exc:
        _log.warning("cannot clean up snapshotter %s: %s", name, exc)
    return removed


def sweep_content(table: rows.Rows, backend: content.Store, busy: holds.Holds) -> int:
    """Delete blobs that no namespace has and ingests without a row; how many blobs went."""
    removed = 0
    for info in list(backend.walk()):
        if table.one(_NEEDED, (info.digest,)):
            continue
        with busy.removing(info.digest) as free:
            if not free or table.one(_NEEDED, (info.digest,)):
                continue
            try:
                backend.delete(info.digest)
                removed += 1
            except errors.Error as exc:
                _log.warning("cannot delete content %s: %s", info.digest, exc)
    for status in backend.list_statuses():
        if not table.one("SELECT 1 FROM ingests WHERE backend = ?", (status.ref,)):
            try:
                backend.abort(status.ref)
            except errors.Error as exc:  # still being written, or gone by itself
                _log.info("cannot abort ingest %s: %s", status.ref, exc)
    return removed


def _named(table: rows.Rows, name: str, key: str = "") -> set[str]:
    """The backend keys that rows name: all of them, or one if it is among them."""
    if key:
        sql = """
            SELECT backend FROM snapshots WHERE snapshotter = ?1 AND backend = ?2
            UNION SELECT backend FROM commits WHERE snapshotter = ?1 AND backend = ?2"""
        return {row[0] for row in table.many(sql, (name, key))}
    sql = (
        "SELECT backend FROM snapshots WHERE snapshotter = ?1 UNION SELECT backend FROM commits WHERE snapshotter = ?1"
    )
    return {row[0] for row in table.many(sql, (name,))}


def _children_first(backend: snapshots.Snapshotter, named: set[str]) -> list[str]:
    parents = {info.name: info.parent for info in backend.walk()}

    def depth(key: str) -> int:
        steps = 0
        while (key := parents.get(key, "")) and steps <= len(parents):
            steps += 1
        return steps

    return sorted((key for key in parents if key not in named), key=lambda key: (-depth(key), key))
