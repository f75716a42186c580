"""Whoever keeps content passes this: a store on a disk, the book around it, a proxy over the wire."""

import contextlib
import hashlib
import random
from collections.abc import Iterator

import pytest

from boxship.core import content
from boxship.terms import errors, oci


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor_of(data: bytes) -> oci.Descriptor:
    return oci.Descriptor(media_type="application/octet-stream", digest=digest_of(data), size=len(data))


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def put(store: content.Store, data: bytes, ref: str = "ref-put", labels: dict[str, str] | None = None) -> str:
    """Store a blob; its digest."""
    with store.writer(ref, total=len(data), expected=digest_of(data)) as writer:
        writer.write(data)
        return writer.commit(len(data), digest_of(data), labels)


def whole(store: content.Store, data: bytes) -> bytes:
    return content.read_blob(store, descriptor_of(data), 1 << 30)


class ContentSuite:
    """Override `store`; set `keeps_labels` to False for a store that leaves labels to the book."""

    keeps_labels = True

    @pytest.fixture
    def store(self) -> content.Store:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _nothing_left_open(self, store: content.Store) -> Iterator[None]:
        yield
        for status in store.list_statuses():
            store.abort(status.ref)
        assert store.list_statuses() == []

    def test_what_is_committed_can_be_read(self, store: content.Store) -> None:
        data = noise(1 << 20)
        assert put(store, data) == digest_of(data)
        assert whole(store, data) == data
        info = store.info(digest_of(data))
        assert (info.digest, info.size) == (digest_of(data), len(data))
        assert info.created_at is not None
        assert info.created_at > 1_600_000_000 * 10**9
        assert info.updated_at is not None
        assert store.list_statuses() == []

    @pytest.mark.parametrize("size", [0, 1, 31])
    def test_small_blobs(self, store: content.Store, size: int) -> None:
        data = noise(size)
        put(store, data)
        assert whole(store, data) == data

    def test_four_writers_at_once(self, store: content.Store) -> None:
        blobs = [noise(100_000 + n, n) for n in range(4)]
        with contextlib.ExitStack() as stack:
            writers = [stack.enter_context(store.writer(f"ref-{n}")) for n in range(4)]
            for at in range(0, 100_000, 10_000):
                for writer, data in zip(writers, blobs, strict=True):
                    writer.write(data[at : at + 10_000])
            for n, (writer, data) in enumerate(zip(writers, blobs, strict=True)):
                writer.write(data[100_000:])
                assert writer.digest() == digest_of(data)
                assert writer.status().offset == 100_000 + n
                assert writer.commit(len(data), digest_of(data)) == digest_of(data)
        for data in blobs:
            assert whole(store, data) == data

    def test_one_writer_per_ref(self, store: content.Store) -> None:
        with store.writer("ref-held") as writer:
            writer.write(b"x")
            with pytest.raises(errors.Unavailable, match="locked"):
                store.writer("ref-held")
        with store.writer("ref-held") as writer:
            assert writer.status().offset == 1

    def test_an_ingest_goes_on_where_it_stopped(self, store: content.Store) -> None:
        data = noise(300_000)
        with store.writer("ref-resume", total=len(data)) as writer:
            writer.write(data[:100_000])
        status = store.status("ref-resume")
        assert (status.ref, status.offset, status.total) == ("ref-resume", 100_000, len(data))
        with store.writer("ref-resume", total=len(data)) as writer:
            assert writer.status().offset == 100_000
            assert writer.digest() == digest_of(data[:100_000])
            writer.write(data[100_000:])
            writer.commit(len(data), digest_of(data))
        assert whole(store, data) == data
        with pytest.raises(errors.NotFound):
            store.status("ref-resume")

    @pytest.mark.parametrize("keep", [0, 50_000, 100_000])
    def test_an_ingest_can_be_cut(self, store: content.Store, keep: int) -> None:
        data = noise(150_000)
        with store.writer("ref-cut") as writer:
            writer.write(data[:100_000])
        with store.writer("ref-cut") as writer:
            writer.truncate(keep)
            assert writer.status().offset == keep
            writer.write(data[keep:])
            writer.commit(len(data), digest_of(data))
        assert whole(store, data) == data

    def test_status_tells_how_far_it_is(self, store: content.Store) -> None:
        with store.writer("ref-status", total=10) as writer:
            for size in (0, 3, 10):
                if size:
                    writer.write(b"x" * (size - writer.status().offset))
                status = writer.status()
                assert (status.ref, status.offset, status.total) == ("ref-status", size, 10)
            first = writer.status()
            assert first.started_at is not None
            assert first.updated_at is not None
            assert first.updated_at >= first.started_at
            assert [status.ref for status in store.list_statuses()] == ["ref-status"]
            assert store.list_statuses(["ref==other"]) == []
            assert [status.ref for status in store.list_statuses(["ref~=^ref-"])] == ["ref-status"]

    def test_a_blob_that_is_there_is_not_written_again(self, store: content.Store) -> None:
        data = noise(1000)
        put(store, data)
        with pytest.raises(errors.AlreadyExists):
            store.writer("ref-again", expected=digest_of(data))
        with store.writer("ref-blind") as writer:
            writer.write(data)
            with pytest.raises(errors.AlreadyExists):
                writer.commit(len(data), digest_of(data))
        with pytest.raises(errors.NotFound):
            store.status("ref-blind")

    @pytest.mark.parametrize("size", [0, 1000])
    def test_wrong_digests_and_sizes_are_refused(self, store: content.Store, size: int) -> None:
        data = noise(size)
        with store.writer("ref-wrong") as writer:
            writer.write(data)
            with pytest.raises(errors.FailedPrecondition, match=r"unexpected commit digest .*, expected"):
                writer.commit(len(data), digest_of(b"something else"))
        with (
            store.writer("ref-wrong") as writer,
            pytest.raises(errors.FailedPrecondition, match=rf"\b{size}\b.*\b{size + 1}\b"),
        ):
            writer.commit(size + 1, "")
        with pytest.raises(errors.NotFound):
            store.info(digest_of(data))
        with store.writer("ref-wrong") as writer:
            assert writer.status().offset == size
            assert writer.commit(0, "") == digest_of(data)

    def test_another_algorithm(self, store: content.Store) -> None:
        data = noise(70_000)
        with store.writer("ref-512", expected=digest_of(data, "sha512")) as writer:
            writer.write(data)
            assert writer.commit(len(data), digest_of(data, "sha512")) == digest_of(data, "sha512")
        assert store.info(digest_of(data, "sha512")).size == 70_000
        with pytest.raises(errors.NotFound):
            store.info(digest_of(data))

    def test_a_closed_writer_takes_nothing(self, store: content.Store) -> None:
        writer = store.writer("ref-closed")
        writer.close()
        writer.close()
        with pytest.raises(errors.Error):
            writer.write(b"x")
        with pytest.raises(errors.FailedPrecondition, match="closed writer"):
            writer.commit(0, "")

    def test_a_writer_needs_a_ref(self, store: content.Store) -> None:
        with pytest.raises(errors.InvalidArgument, match="ref must not be empty"):
            store.writer("")

    def test_abort_throws_away(self, store: content.Store) -> None:
        with store.writer("ref-abort") as writer:
            writer.write(b"x")
        store.abort("ref-abort")
        with pytest.raises(errors.NotFound):
            store.status("ref-abort")
        with pytest.raises(errors.NotFound):
            store.abort("ref-abort")
        with store.writer("ref-abort") as writer:
            assert writer.status().offset == 0

    def test_reading_pieces(self, store: content.Store) -> None:
        data = noise(10_000)
        put(store, data)
        with store.reader(descriptor_of(data)) as reader:
            assert reader.size == 10_000
            assert reader.read_at(0, 5) == data[:5]
            assert reader.read_at(9_990, 100) == data[9_990:]
            assert reader.read_at(10_000, 1) == b""
            assert reader.read_at(20_000, 1) == b""

    def test_what_is_not_there(self, store: content.Store) -> None:
        absent = descriptor_of(b"never written")
        for ask in (store.reader, lambda descriptor: store.info(descriptor.digest)):
            with pytest.raises(errors.NotFound):
                ask(absent)
        with pytest.raises(errors.NotFound):
            store.delete(absent.digest)
        with pytest.raises(errors.NotFound):
            store.status("no-such-ref")

    @pytest.mark.parametrize(
        "digest", ["", "sha256:", "sha256:zz", "../../etc/passwd", "sha256:../x", "md5:" + 32 * "0"]
    )
    def test_no_digest_no_path(self, store: content.Store, digest: str) -> None:
        with pytest.raises((errors.InvalidArgument, errors.NotFound)):
            store.info(digest)

    def test_delete(self, store: content.Store) -> None:
        data = noise(100)
        put(store, data)
        store.delete(digest_of(data))
        with pytest.raises(errors.NotFound):
            store.info(digest_of(data))
        assert list(store.walk()) == []

    def test_walk(self, store: content.Store) -> None:
        blobs = [noise(100, n) for n in range(5)]
        for data in blobs:
            put(store, data)
        digests = sorted(digest_of(data) for data in blobs)
        assert [info.digest for info in store.walk()] == digests
        assert [info.digest for info in store.walk([f"digest=={digests[2]}"])] == [digests[2]]
        with pytest.raises(errors.InvalidArgument):
            list(store.walk(["digest=="]))

    def test_labels(self, store: content.Store) -> None:
        data = noise(100)
        put(store, data, labels={"a": "1", "b": "2"})
        if not self.keeps_labels:
            with pytest.raises(errors.FailedPrecondition, match="update not supported on immutable content store"):
                store.update(content.Info(digest=digest_of(data), labels={"a": "3"}), ["labels.a"])
            return
        assert store.info(digest_of(data)).labels == {"a": "1", "b": "2"}
        store.update(content.Info(digest=digest_of(data), labels={"a": "3"}), ["labels.a"])
        assert store.info(digest_of(data)).labels == {"a": "3", "b": "2"}
        store.update(content.Info(digest=digest_of(data), labels={"c": "4"}), ["labels"])
        assert store.info(digest_of(data)).labels == {"c": "4"}
        assert [info.digest for info in store.walk(["labels.c==4"])] == [digest_of(data)]
        assert list(store.walk(["labels.c==5"])) == []
