import dataclasses

import pytest

from boxship.core import containers
from boxship.metadata import remembered
from boxship.terms import errors, oci
from boxship.terms.typed import TypedBytes

CONTAINER = containers.Container(
    id="c", runtime=containers.Runtime(name="r"), spec=TypedBytes(type_url="t", value=b"{}"), labels={"k": "1"}
)


class Rows:
    """Something to read from, which counts."""

    def __init__(self):
        self.values = {"a": 1}
        self.reads = 0

    def read(self):
        self.reads += 1
        return self.values["a"]


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def known():
    return remembered.Remembered()


def test_what_was_read_is_not_read_again(known, rows):
    assert [known.get("a", rows.read) for _ in range(3)] == [1, 1, 1]
    assert rows.reads == 1


def test_what_changes_is_read_again(known, rows):
    known.get("a", rows.read)
    known.change(["a"])
    rows.values["a"] = 2
    known.changed()
    assert known.get("a", rows.read) == 2


def test_what_does_not_change_stays(known, rows):
    known.get("a", rows.read)
    known.change(["b"])
    known.changed()
    known.get("a", rows.read)
    assert rows.reads == 1


def test_what_was_read_before_a_change_is_not_kept_behind_it(known, rows):
    def read():
        found = rows.read()
        known.change(["a"])
        rows.values["a"] = 2
        known.changed()
        return found

    assert known.get("a", read) == 1
    assert known.get("a", rows.read) == 2


def test_what_is_read_during_a_change_is_not_kept(known, rows):
    known.change(["a"])
    assert known.get("a", rows.read) == 1
    rows.values["a"] = 2
    known.changed()
    assert known.get("a", rows.read) == 2


def test_what_began_during_a_change_is_not_kept_behind_it(known, rows):
    def read():
        found = rows.read()
        rows.values["a"] = 2
        known.changed()
        return found

    known.change(["a"])
    assert known.get("a", read) == 1
    assert known.get("a", rows.read) == 2


def test_what_is_not_there_is_asked_for_again(known, rows):
    def read():
        raise KeyError("a")

    with pytest.raises(KeyError):
        known.get("a", read)
    assert known.get("a", rows.read) == 1


def test_what_is_not_worth_it_is_not_kept(known, rows):
    for _ in range(2):
        known.get("a", rows.read, lambda _: False)
    assert rows.reads == 2


def test_only_a_few_are_kept(known, rows):
    known.get("a", rows.read)
    for number in range(100):
        known.get(number, lambda: 1)
    known.get("a", rows.read)
    assert rows.reads == 2


def test_a_container_is_told_as_it_is_now(book):
    kept = book.namespace("n").containers
    made = kept.create(CONTAINER)
    assert kept.get("c") == made
    changed = kept.update(dataclasses.replace(made, labels={"k": "2"}), ["labels"])
    assert kept.get("c") == changed
    assert kept.get("c").labels == {"k": "2"}
    with pytest.raises(errors.NotFound):
        book.namespace("other").containers.get("c")
    kept.delete("c")
    with pytest.raises(errors.NotFound):
        kept.get("c")


def test_a_change_that_fails_changes_nothing(book):
    kept = book.namespace("n").containers
    made = kept.create(CONTAINER)
    assert kept.get("c") == made
    with pytest.raises(errors.InvalidArgument):
        kept.update(dataclasses.replace(made, labels={"k": "2"}), ["no such field"])
    assert kept.get("c") == made


def test_a_blob_is_told_as_it_is_now(book):
    store = book.namespace("n").content
    with store.writer("w") as writer:
        writer.write(b"hello")
        digest = writer.commit(0, "", {"containerd.io/gc.root": "1"})
    whole = oci.Descriptor(media_type="", digest=digest, size=5)
    assert store.info(digest).labels == {"containerd.io/gc.root": "1"}
    store.reader(whole).close()
    store.update(dataclasses.replace(store.info(digest), labels={}), ["labels"])
    assert store.info(digest).labels == {}
    book.collect()
    with pytest.raises(errors.NotFound):
        store.info(digest)
    with pytest.raises(errors.NotFound):
        store.reader(whole)
