"""The file of the book as threads see it: reads from any number of them, one write at a time.

A read takes an idle connection, since opening one costs more than a call. A write is one transaction on the one
writing connection; it is durable when `writing` ends, and only then is anybody told.
"""

import collections
import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from boxship.core import events
from boxship.metadata import remembered, reserve
from boxship.terms import errors

Row = tuple[Any, ...]
Collect = Callable[[], object]
"""Collect garbage and wait for the end."""

_IDLE = 8
_BLOCK = 1000
_CLASSES: dict[int, type[errors.Error]] = {
    sqlite3.SQLITE_FULL: errors.ResourceExhausted,
    sqlite3.SQLITE_READONLY: errors.FailedPrecondition,
    sqlite3.SQLITE_BUSY: errors.Unavailable,
    sqlite3.SQLITE_LOCKED: errors.Unavailable,
    sqlite3.SQLITE_IOERR: errors.Unavailable,
    sqlite3.SQLITE_CANTOPEN: errors.Unavailable,
    sqlite3.SQLITE_CORRUPT: errors.DataLoss,
    sqlite3.SQLITE_NOTADB: errors.DataLoss,
}


def translated(exc: sqlite3.Error, path: str) -> errors.Error:
    """What a failure of SQLite means to a caller (https://www.sqlite.org/rescode.html)."""
    code = getattr(exc, "sqlite_errorcode", None)
    kind = _CLASSES.get(code & 0xFF, errors.Internal) if code is not None else errors.Internal
    if kind is errors.ResourceExhausted:
        return errors.no_space("metadata database cannot be written", os.path.dirname(path), str(exc))
    return kind(f"metadata database: {exc}")


def connect(path: str) -> sqlite3.Connection:
    """A connection with our settings, which any one thread at a time may use."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -1024")
    except BaseException:
        connection.close()
        raise
    return connection


class Transaction:
    """A write on its way. What it announces is told when it is durable; `freed` says that there is something to collect.

    Whoever changes or deletes what `Rows.remembered` may know adds its key to `changed`.
    """

    __slots__ = ("_connection", "announced", "changed", "freed")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.announced: list[tuple[str, str, events.Event]] = []
        self.changed: list[Hashable] = []
        self.freed = False

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        return self._connection.execute(sql, parameters).fetchone()  # type: ignore[no-any-return]

    def many(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def use(self, namespace: str) -> None:
        """Writing under a name makes the namespace."""
        self._connection.execute("INSERT INTO namespaces (name) VALUES (?) ON CONFLICT DO NOTHING", (namespace,))

    def announce(self, namespace: str, topic: str, name: str, /, **fields: object) -> None:
        self.announced.append((namespace, topic, events.Event(name=name, fields=fields)))


class Rows:
    """All connections to one file. `clock` gives nanoseconds since the epoch."""

    def __init__(self, path: str, *, publisher: events.Publisher, clock: Callable[[], int]) -> None:
        self.path = path
        self.clock = clock
        self.remembered = remembered.Remembered()
        self.freed = True  # what a crash left over is found by the first collection
        self._publisher = publisher
        self._watchers: tuple[Callable[[bool], None], ...] = ()
        self._idle: collections.deque[sqlite3.Connection] = collections.deque()
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._closed = False
        self._writer = connect(path)
        self._reserve = reserve.Reserve(f"{path}.reserve")
        self._numbers = itertools.count(0)
        self._numbers_end = 0
        self._numbers_lock = threading.Lock()

    @property
    def is_closed(self) -> bool:
        return self._closed

    def on_mutation(self, callback: Callable[[bool], None]) -> None:
        """`callback` runs after each write, in the writing thread, with whether there is something to collect."""
        self._watchers = (*self._watchers, callback)

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        connection = self._take()
        try:
            return connection.execute(sql, parameters).fetchone()  # type: ignore[no-any-return]
        except sqlite3.Error as exc:
            raise translated(exc, self.path) from exc
        finally:
            self._give_back(connection)

    def many(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        connection = self._take()
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as exc:
            raise translated(exc, self.path) from exc
        finally:
            self._give_back(connection)

    @contextlib.contextmanager
    def writing(self, *, durable: bool = True, frees: bool = False, collects: bool = False) -> Iterator[Transaction]:
        """One transaction; an exception takes it back.

        One that is not `durable` survives the death of the daemon but maybe not that of the machine; it saves an fsync.
        One that `frees` things may take to the space that is put by for it.
        One that `collects` leaves nothing to collect, and is no mutation.
        """
        with self._lock:
            self._check_open()
            transaction = Transaction(self._writer)
            try:
                if frees:
                    self._reserve.open_if_low()
                if not durable:
                    self._writer.execute("PRAGMA synchronous = NORMAL")
                self._writer.execute("BEGIN IMMEDIATE")
                yield transaction
                self._commit(transaction)
            except sqlite3.Error as exc:
                raise translated(exc, self.path) from exc
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if not durable:
                    self._writer.execute("PRAGMA synchronous = FULL")
            self.freed = not collects and (self.freed or transaction.freed)
            if transaction.announced:
                self._telling.acquire()  # before anybody else writes: events come in the order of the writes
        if transaction.announced:
            try:
                for namespace, topic, event in transaction.announced:
                    self._publisher.publish(namespace, topic, event)
            finally:
                self._telling.release()
        for watcher in () if collects else self._watchers:
            watcher(self.freed)

    def _commit(self, transaction: Transaction) -> None:
        if not transaction.changed:
            self._writer.execute("COMMIT")
            return
        self.remembered.change(transaction.changed)
        try:
            self._writer.execute("COMMIT")
        finally:
            self.remembered.changed()

    def number(self) -> int:
        """A number that was never given before. They are taken from the file in blocks, so most cost nothing."""
        with self._numbers_lock:
            number = next(self._numbers)
            if number >= self._numbers_end:
                with self.writing() as transaction:
                    row = transaction.one(
                        "UPDATE numbers SET value = value + ? WHERE name = 'backend' RETURNING value", (_BLOCK,)
                    )
                assert row is not None
                self._numbers_end = int(row[0])
                number = self._numbers_end - _BLOCK
                self._numbers = itertools.count(number + 1)
            return number

    def put_by(self) -> None:
        """Put space by again for times when there is none."""
        self._reserve.fill()

    def backup(self, target: str) -> None:
        """Write a whole and consistent copy, while others read and write."""
        connection = self._take()
        try:
            copy = sqlite3.connect(target)
            try:
                connection.backup(copy)
            finally:
                copy.close()
        except sqlite3.Error as exc:
            raise translated(exc, self.path) from exc
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close all; the file then stands alone, without its write-ahead log."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(IndexError):  # readers take from it without the lock
                while True:
                    self._idle.popleft().close()
            self._writer.close()

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            self._check_open()
            try:
                return connect(self.path)
            except sqlite3.Error as exc:
                raise translated(exc, self.path) from exc

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or len(self._idle) >= _IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def _check_open(self) -> None:
        if self._closed:
            raise errors.Unavailable("metadata database is closed")
