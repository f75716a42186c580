import sqlite3
import threading

import pytest

from boxship.metadata import rows, schema
from boxship.terms import errors
from boxship.testing.metadata import Remembering


@pytest.fixture
def told():
    return Remembering()


@pytest.fixture
def table(tmp_path, told):
    connection = rows.connect(str(tmp_path / "x.db"))
    schema.migrate(connection)
    connection.close()
    made = rows.Rows(str(tmp_path / "x.db"), publisher=told, clock=lambda: 1)
    yield made
    made.close()


def count(table):
    return table.one("SELECT count(*) FROM namespaces")[0]


def test_an_exception_takes_it_back_and_nobody_is_told(table, told):
    heard = []
    table.on_mutation(heard.append)

    def fail():
        with table.writing() as transaction:
            transaction.use("one")
            transaction.announce("one", "/x", "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(table) == 0
    assert (told.told, heard) == ([], [])
    with table.writing() as transaction:
        transaction.use("one")
    assert count(table) == 1


def test_told_after_it_is_there(table):
    seen = []
    table._publisher.publish = lambda *_: seen.append(count(table))
    with table.writing() as transaction:
        transaction.use("one")
        transaction.announce("one", "/x", "x")
        assert seen == []
    assert seen == [1]


def test_readers_do_not_see_what_is_being_written(table):
    with table.writing() as transaction:
        transaction.use("one")
        assert count(table) == 0
    assert count(table) == 1


def test_a_write_that_is_not_durable_leaves_the_setting_alone(table):
    with table.writing(durable=False) as transaction:
        assert transaction.one("PRAGMA synchronous") == (1,)
    with table.writing() as transaction:
        assert transaction.one("PRAGMA synchronous") == (2,)
    with pytest.raises(ZeroDivisionError), table.writing(durable=False):
        raise ZeroDivisionError
    with table.writing() as transaction:
        assert transaction.one("PRAGMA synchronous") == (2,)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("INSERT INTO images VALUES ('n', 'x', 't', 'a:b', 1, '{}', '{}', 0, 0)", errors.Internal),
        ("INSERT INTO namespaces VALUES ('', '{}')", errors.Internal),
        ("INSERT INTO namespaces VALUES ('x', '[]')", errors.Internal),
        ("SELEC", errors.Internal),
    ],
    ids=["foreign key", "check", "json", "syntax"],
)
def test_what_the_tables_refuse(table, sql, kind):
    with pytest.raises(kind, match=r"metadata database: "), table.writing() as transaction:
        transaction.execute(sql)
    assert count(table) == 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, errors.ResourceExhausted),
        (sqlite3.SQLITE_IOERR | 4 << 8, errors.Unavailable),
        (sqlite3.SQLITE_CORRUPT, errors.DataLoss),
        (sqlite3.SQLITE_READONLY, errors.FailedPrecondition),
        (sqlite3.SQLITE_BUSY, errors.Unavailable),
        (sqlite3.SQLITE_MISUSE, errors.Internal),
    ],
)
def test_failures_have_classes(code, kind):
    failure = sqlite3.OperationalError("words")
    failure.sqlite_errorcode = code
    found = rows.translated(failure, "/r/meta.db")
    assert type(found) is kind
    full = "metadata database cannot be written below /r: words; make room there, for example by removing images"
    assert found.message == (full if kind is errors.ResourceExhausted else "metadata database: words")


def test_a_full_disk_is_told_and_passes(table):
    with table.writing() as transaction:
        transaction.execute("PRAGMA max_page_count = 1")
    limit = table._writer.execute("PRAGMA max_page_count").fetchone()[0]

    def fill():
        with table.writing() as transaction:
            for number in range(limit * 200):
                transaction.use(f"n{number}" + "x" * 60)

    with pytest.raises(errors.ResourceExhausted):
        fill()
    table._writer.execute("PRAGMA max_page_count = 100000")
    with table.writing() as transaction:
        transaction.use("one")
    assert count(table) == 1


def test_numbers_are_given_once_by_any_number_of_threads(table):
    given: list[int] = []

    def take():
        given.extend(table.number() for _ in range(600))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == 2400


def test_many_threads_read_and_write(table):
    faults = []

    def work(who):
        try:
            for number in range(40):
                with table.writing(durable=False) as transaction:
                    transaction.use(f"{who}-{number}")
                assert table.one("SELECT 1 FROM namespaces WHERE name = ?", (f"{who}-{number}",)) == (1,)
                assert len(table.many("SELECT name FROM namespaces")) > number
        except BaseException as exc:
            faults.append(exc)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert count(table) == 320
    assert len(table._idle) <= 8


def test_after_closing(table):
    table.one("SELECT 1")
    table.close()
    assert table.is_closed
    for ask in (lambda: table.one("SELECT 1"), lambda: table.writing().__enter__()):
        with pytest.raises(errors.Unavailable, match=r"metadata database is closed"):
            ask()


def test_migrations_are_done_once(tmp_path):
    connection = rows.connect(str(tmp_path / "x.db"))
    assert schema.migrate(connection) == len(schema.MIGRATIONS)
    assert schema.migrate(connection) == 0
    assert schema.version(connection) == len(schema.MIGRATIONS)
    connection.close()


class Slow:
    """A publisher of which the first event takes until somebody else has had the time to write."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile
        self.told = []

    def publish(self, namespace, topic, event):
        if not self.told and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        self.told.append(topic)


def test_events_come_in_the_order_of_the_writes(table):
    path = table.path
    table.close()

    def remove():
        with table.writing() as transaction:
            transaction.announce("one", "/images/delete", "x")

    def meanwhile():
        removing.start()
        removing.join(0.1)

    slow = Slow(meanwhile)
    table = rows.Rows(path, publisher=slow, clock=lambda: 1)
    removing = threading.Thread(target=remove)
    with table.writing() as transaction:
        transaction.announce("one", "/images/create", "x")
    removing.join()
    assert slow.told == ["/images/create", "/images/delete"]
    table.close()
