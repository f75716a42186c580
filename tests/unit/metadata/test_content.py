import threading

import pytest

from boxship.core import content
from boxship.core.leases import Resource
from boxship.terms import errors
from boxship.testing.content import descriptor_of, digest_of, noise, whole

DATA = noise(100_000)
DIGEST = digest_of(DATA)


def put(store, data, ref="ref-put", labels=None):
    """Store a blob, writing only what is not there yet."""
    with store.writer(ref, total=len(data), expected=digest_of(data)) as writer:
        writer.write(data[writer.status().offset :])
        return writer.commit(len(data), digest_of(data), labels)


def on_disk(tmp_path):
    return {path.name for path in (tmp_path / "content" / "blobs" / "sha256").iterdir()}


def test_a_blob_belongs_to_its_namespace(book):
    put(book.namespace("one").content, DATA)
    two = book.namespace("two").content
    for ask in (
        lambda: two.info(DIGEST),
        lambda: two.reader(descriptor_of(DATA)),
        lambda: two.delete(DIGEST),
        lambda: two.update(content.Info(digest=DIGEST)),
    ):
        with pytest.raises(errors.NotFound, match=rf"content digest {DIGEST}: not found"):
            ask()
    assert list(two.walk()) == []


def test_labels_belong_to_the_namespace(book):
    for name in ("one", "two"):
        put(book.namespace(name).content, DATA, labels={"who": name})
    assert book.namespace("one").content.info(DIGEST).labels == {"who": "one"}
    assert book.namespace("two").content.info(DIGEST).labels == {"who": "two"}


def test_a_shared_blob_is_adopted(book):
    put(book.namespace("one").content, DATA)
    two = book.namespace("two").content
    with two.writer("ref", total=len(DATA), expected=DIGEST) as writer:
        status = writer.status()
        assert (status.ref, status.offset, status.total, status.expected) == ("ref", len(DATA), len(DATA), DIGEST)
        assert writer.digest() == DIGEST
        with pytest.raises(errors.NotFound):
            two.info(DIGEST)
        assert writer.commit(len(DATA), DIGEST, {"a": "1"}) == DIGEST
    assert two.info(DIGEST).size == len(DATA)
    assert two.info(DIGEST).labels == {"a": "1"}
    assert whole(two, DATA) == DATA


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
def test_an_adopted_blob_is_checked(book, size):
    put(book.namespace("one").content, DATA)
    two = book.namespace("two").content
    with (
        two.writer("ref", expected=DIGEST) as writer,
        pytest.raises(errors.FailedPrecondition, match=f'"ref" failed size validation: {len(DATA)} != {size}'),
    ):
        writer.commit(size, "")
    with (
        two.writer("ref", expected=DIGEST) as writer,
        pytest.raises(errors.FailedPrecondition, match='"ref" unexpected digest'),
    ):
        writer.commit(0, digest_of(b"other"))
    with two.writer("ref", total=size, expected=DIGEST) as writer:
        assert writer.status().offset == 0


def test_changing_an_adopted_blob_makes_a_copy(book):
    put(book.namespace("one").content, DATA)
    two = book.namespace("two").content
    with two.writer("longer", expected=DIGEST) as writer:
        writer.write(b"more")
        assert writer.commit(0, "") == digest_of(DATA + b"more")
    with two.writer("shorter", expected=DIGEST) as writer:
        writer.truncate(10)
        assert writer.status().offset == 10
        assert writer.commit(10, "") == digest_of(DATA[:10])
    with two.writer("too long", expected=DIGEST) as writer, pytest.raises(errors.OutOfRange):
        writer.truncate(len(DATA) + 1)
    with pytest.raises(errors.NotFound):
        two.info(DIGEST)
    assert whole(two, DATA + b"more") == DATA + b"more"


def test_isolated_namespaces_bring_the_bytes(reopened):
    with reopened(policy="isolated") as book:
        put(book.namespace("one").content, DATA)
        two = book.namespace("two").content
        with two.writer("ref", total=len(DATA), expected=DIGEST) as writer:
            assert writer.status().offset == 0
            with pytest.raises(errors.FailedPrecondition):
                writer.commit(len(DATA), DIGEST)
        assert put(two, DATA, "ref") == DIGEST


def test_an_isolated_namespace_may_share(reopened):
    with reopened(policy="isolated") as book:
        book.namespaces.create("one", {"containerd.io/namespace.shareable": "true"})
        put(book.namespace("one").content, DATA)
        with book.namespace("two").content.writer("ref", expected=DIGEST) as writer:
            assert writer.status().offset == len(DATA)


def test_an_adopted_blob_that_is_gone_is_not_committed(book):
    put(book.namespace("one").content, DATA)
    with book.namespace("two").content.writer("ref", expected=DIGEST) as writer:
        book.content.delete(DIGEST)
        with pytest.raises(errors.NotFound):
            writer.commit(0, DIGEST)
    with pytest.raises(errors.NotFound):
        book.namespace("two").content.info(DIGEST)


def test_refs_belong_to_the_namespace(book):
    one, two = book.namespace("one").content, book.namespace("two").content
    with one.writer("ref") as first, two.writer("ref") as second:
        first.write(b"first")
        second.write(b"second")
        assert [status.ref for status in one.list_statuses()] == ["ref"]
        assert one.status("ref").offset == 5
        assert two.status("ref").offset == 6
        with pytest.raises(errors.Unavailable):
            one.abort("ref")
    one.abort("ref")
    assert one.list_statuses() == []
    with pytest.raises(errors.NotFound, match="reference ref: not found"):
        one.status("ref")
    with pytest.raises(errors.NotFound, match="reference ref: not found"):
        one.abort("ref")
    assert two.status("ref").offset == 6


def test_filters_of_ingests(book):
    one = book.namespace("one").content
    for ref in ("a", "b"):
        one.writer(ref).close()
    assert [status.ref for status in one.list_statuses()] == ["a", "b"]
    assert [status.ref for status in one.list_statuses(["ref==b"])] == ["b"]


def test_an_ingest_survives_a_restart(reopened):
    with reopened() as book, book.namespace("one").content.writer("ref") as writer:
        writer.write(DATA[:1000])
    with reopened() as book, book.namespace("one").content.writer("ref") as writer:
        assert writer.status().offset == 1000
        writer.write(DATA[1000:])
        assert writer.commit(len(DATA), DIGEST) == DIGEST


def test_what_is_written_and_what_is_there_belongs_to_the_lease(book):
    book.namespace("one").leases.create("held")
    held = book.namespace("one", "held")
    put(book.namespace("one").content, DATA)
    with pytest.raises(errors.AlreadyExists, match=f"content {DIGEST}: already exists"):
        held.content.writer("x", expected=DIGEST)
    other = put(held.content, b"other")
    held.content.writer("left").close()
    assert set(held.leases.list_resources("held")) == {
        Resource(type="content", id=DIGEST),
        Resource(type="content", id=other),
        Resource(type="ingests", id="left"),
    }
    held.content.abort("left")
    held.content.delete(other)
    assert list(held.leases.list_resources("held")) == [Resource(type="content", id=DIGEST)]


def test_bytes_that_were_there_all_along_are_leased_too(book):
    put(book.namespace("one").content, DATA)
    book.namespace("one").leases.create("held")
    held = book.namespace("one", "held")
    with held.content.writer("again") as writer:
        writer.write(DATA)
        with pytest.raises(errors.AlreadyExists):
            writer.commit(0, "")
    assert list(held.leases.list_resources("held")) == [Resource(type="content", id=DIGEST)]
    assert held.content.list_statuses() == []


def test_a_lease_must_exist(book):
    gone = book.namespace("one", "gone")
    with pytest.raises(errors.NotFound, match=r"^lease does not exist: not found"):
        gone.content.writer("ref")
    put(book.namespace("one").content, DATA)
    with pytest.raises(errors.NotFound, match=r"^lease does not exist: not found"):
        gone.content.writer("ref", expected=DIGEST)
    assert gone.content.info(DIGEST).size == len(DATA)


def test_bad_labels_are_refused_before_anything_is_made(book):
    one = book.namespace("one").content
    with one.writer("ref") as writer:
        writer.write(DATA)
        with pytest.raises(errors.InvalidArgument, match=r"info.Labels: label key and value length"):
            writer.commit(0, "", {"k": "v" * 4096})
    assert list(book.content.walk()) == []
    assert one.status("ref").offset == len(DATA)


def test_only_labels_change(book):
    one = book.namespace("one").content
    put(one, DATA)
    with pytest.raises(errors.InvalidArgument, match=f'cannot update "size" field on content info "{DIGEST}"'):
        one.update(content.Info(digest=DIGEST), ["size"])


def test_events(book, told):
    one = book.namespace("one").content
    put(one, DATA)
    one.delete(DIGEST)
    assert told.told == [
        ("one", "/content/create", {"digest": DIGEST, "size": len(DATA)}),
        ("one", "/content/delete", {"digest": DIGEST}),
    ]


def test_unleased_ingests_expire_after_a_day(book, clock):
    one = book.namespace("one").content
    one.writer("old").close()
    clock.forward(12 * 3600)
    one.writer("young").close()
    clock.forward(12 * 3600 + 1)
    assert book.collect().ingests == 1
    assert [status.ref for status in one.list_statuses()] == ["young"]
    assert len(book.content.list_statuses()) == 1


def test_a_leased_ingest_lives_as_long_as_its_lease(book, clock):
    book.namespace("one").leases.create("held")
    one = book.namespace("one", "held")
    one.content.writer("ref").close()
    clock.forward(48 * 3600)
    assert book.collect().ingests == 0
    one.leases.delete("held", synchronous=True)
    assert one.content.list_statuses() == []
    assert book.content.list_statuses() == []


def test_the_bytes_go_with_the_last_namespace(book, tmp_path):
    for name in ("one", "two"):
        put(book.namespace(name).content, DATA, labels={"containerd.io/gc.root": "now"})
    book.namespace("one").content.delete(DIGEST)
    book.collect()
    assert on_disk(tmp_path) == {DIGEST.removeprefix("sha256:")}
    assert whole(book.namespace("two").content, DATA) == DATA
    book.namespace("two").content.delete(DIGEST)
    book.collect()
    assert on_disk(tmp_path) == set()


def test_an_ingest_that_adopted_keeps_the_bytes(book, tmp_path):
    put(book.namespace("one").content, DATA)
    with book.namespace("two").content.writer("ref", expected=DIGEST) as writer:
        book.namespace("one").content.delete(DIGEST)
        book.collect()
        assert writer.commit(0, DIGEST) == DIGEST
    assert whole(book.namespace("two").content, DATA) == DATA


def test_an_ingest_that_is_opened_while_it_is_aborted_can_be_found(book, monkeypatch):
    one = book.namespace("one").content
    with one.writer("ref") as writer:
        writer.write(DATA[:10])
    real = book.content.abort
    opened = []

    def open_again():
        opened.append(one.writer("ref"))

    def abort(ref):
        real(ref)
        opening.start()
        opening.join(0.1)

    opening = threading.Thread(target=open_again)
    monkeypatch.setattr(book.content, "abort", abort)
    one.abort("ref")
    opening.join()
    with opened[0] as writer:
        writer.write(DATA[:20])
    assert one.status("ref").offset == 20
