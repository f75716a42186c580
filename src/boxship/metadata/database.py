"""The book itself: one file, the bound views of it, and the collection of what nobody refers to."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from boxship.core import book, containers, content, events, gc, images, leases, namespaces, snapshots
from boxship.metadata import commits, holds, marks, repair, rows, schema, sweep
from boxship.metadata import containers as containers_
from boxship.metadata import content as content_
from boxship.metadata import images as images_
from boxship.metadata import leases as leases_
from boxship.metadata import namespaces as namespaces_
from boxship.metadata import snapshots as snapshots_
from boxship.terms import errors, identifiers

_log = logging.getLogger(__name__)

Policy = Literal["shared", "isolated"]
"""Whether a namespace may take over a blob of another one by naming its digest, or must bring the bytes."""

_COPY_AGE = 600.0
"""Seconds after which a collection renews the copy that is kept for repair."""


class Database:
    """Everything that clients stored, behind core.book.Books; also the collector of what they no longer refer to.

    The backends belong to the caller, who closes them after this.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        content: content.Store,
        snapshotters: Mapping[str, snapshots.Snapshotter],
        publisher: events.Publisher,
        clock: Callable[[], int] = time.time_ns,
        policy: Policy = "shared",
    ) -> None:
        """Open the file, or make it. `clock` gives nanoseconds since the epoch.

        Raises:
            DataLoss: the file is damaged and cannot be restored.
            FailedPrecondition: it belongs to a newer version or to another program.
        """
        self._path = os.fspath(path)
        self.content = content
        self.snapshotters = dict(snapshotters)
        self.shared = policy == "shared"
        self.busy_content = holds.Holds()
        self.busy_snapshots = {name: holds.Holds() for name in self.snapshotters}
        self.turns = holds.Turns()
        self._collecting = threading.Lock()
        self._collector: gc.Collector | None = None
        self._roots: tuple[marks.Roots, ...] = ()
        repair.ensure(self._path)
        self._migrate()
        self.rows = rows.Rows(self._path, publisher=publisher, clock=clock)
        commits.recover(self.rows, self.snapshotters)
        self._copied_at = time.monotonic()
        if not os.path.exists(f"{self._path}.copy"):
            self._save_copy()

    def namespace(self, name: str, lease: str = "") -> "Book":
        return Book(self, identifiers.validate(name), lease)

    @property
    def namespaces(self) -> namespaces.Store:
        return namespaces_.NamespacesBook(self.rows)

    def collect(self) -> gc.Stats:
        """Mark and sweep now. `seconds` is how long writers were kept waiting."""
        with self._collecting:
            counts, seconds, freed = self._collect_rows()
            if freed and not repair.is_held_back(self._path):
                self._sweep()
            self.rows.put_by()
            if time.monotonic() - self._copied_at > _COPY_AGE:
                self._save_copy()
        return gc.Stats(
            seconds=seconds,
            content=counts[gc.Kind.CONTENT],
            snapshots=counts[gc.Kind.SNAPSHOT],
            images=counts[gc.Kind.IMAGE],
            leases=counts[gc.Kind.LEASE],
            ingests=counts[gc.Kind.INGEST],
        )

    def on_mutation(self, callback: Callable[[bool], None]) -> None:
        """`callback` runs after each write, with whether there is something to collect."""
        self.rows.on_mutation(callback)

    def collect_through(self, collector: gc.Collector) -> None:
        """Synchronous deletions wait for this collector (the scheduler, so that it knows) instead of `collect`."""
        self._collector = collector

    def collect_now(self) -> None:
        """What a synchronous deletion waits for."""
        (self._collector or self).collect()

    def add_roots(self, roots: marks.Roots) -> None:
        """Ask this for further roots in every collection; called while writers wait, so it must be quick."""
        self._roots = (*self._roots, roots)

    def close(self) -> None:
        """Close the file, with a fresh copy beside it. Closing again does nothing."""
        with self._collecting:
            if self.rows.is_closed:
                return
            self.rows.close()
            try:
                repair.seal(self._path)
            except OSError as exc:  # the next start looks at it as after a crash
                _log.warning("cannot copy metadata database %s: %s", self._path, exc)

    def _migrate(self) -> None:
        try:
            connection = rows.connect(self._path)
            try:
                schema.migrate(connection)
            finally:
                connection.close()
        except sqlite3.Error as exc:
            raise rows.translated(exc, self._path) from exc

    def _save_copy(self) -> None:
        try:
            repair.save_copy(self.rows)
        except (errors.Error, OSError) as exc:  # the old copy stays, and the book goes on
            _log.warning("cannot copy metadata database %s: %s", self._path, exc)
        else:
            self._copied_at = time.monotonic()

    def _sweep(self) -> None:
        try:
            for name, backend in self.snapshotters.items():
                sweep.sweep_snapshots(self.rows, name, backend, self.busy_snapshots[name])
            sweep.sweep_content(self.rows, self.content, self.busy_content)
        except BaseException:
            self.rows.freed = True  # what is left over is for the next collection
            raise

    def _collect_rows(self) -> tuple[marks.Counts, float, bool]:
        begin = time.monotonic()
        with self.rows.writing(frees=True, collects=True) as transaction:
            further = [node for roots in self._roots for node in roots()]
            counts = marks.collect(transaction, self.rows.clock(), further)
            freed = self.rows.freed or bool(counts)
        return counts, time.monotonic() - begin, freed


class Book:
    """One namespace of the database, and maybe a lease; as cheap as it looks, so every call makes its own."""

    __slots__ = ("_database", "_lease", "_namespace")

    def __init__(self, database: Database, namespace: str, lease: str) -> None:
        self._database = database
        self._namespace = namespace
        self._lease = lease

    @property
    def content(self) -> content.Store:
        database = self._database
        return content_.ContentBook(
            database.rows,
            self._namespace,
            self._lease,
            backend=database.content,
            busy=database.busy_content,
            turns=database.turns,
            shared=database.shared,
        )

    @property
    def images(self) -> images.Store:
        database = self._database
        return images_.ImagesBook(database.rows, self._namespace, self._lease, database.collect_now)

    @property
    def containers(self) -> containers.Store:
        return containers_.ContainersBook(self._database.rows, self._namespace)

    @property
    def leases(self) -> leases.Manager:
        return leases_.LeasesBook(self._database.rows, self._namespace, self._database.collect_now)

    @property
    def snapshotters(self) -> Mapping[str, snapshots.Snapshotter]:
        return _Snapshotters(self._database, self._namespace, self._lease)


class _Snapshotters(Mapping[str, snapshots.Snapshotter]):
    """The loaded snapshotters, each bound when it is asked for."""

    __slots__ = ("_database", "_lease", "_namespace")

    def __init__(self, database: Database, namespace: str, lease: str) -> None:
        self._database = database
        self._namespace = namespace
        self._lease = lease

    def __getitem__(self, name: str) -> snapshots.Snapshotter:
        database = self._database
        return snapshots_.SnapshotsBook(
            database.rows,
            self._namespace,
            self._lease,
            name=name,
            backend=database.snapshotters[name],
            busy=database.busy_snapshots[name],
            turns=database.turns,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._database.snapshotters)

    def __len__(self) -> int:
        return len(self._database.snapshotters)


_: type[book.Books] = Database
__: type[gc.Collector] = Database
___: type[book.Book] = Book
