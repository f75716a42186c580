import hashlib
import os
import stat
import threading

import pytest

from boxship.plugins.content import store as local
from boxship.plugins.content import timestamps
from boxship.terms import errors, oci
from boxship.testing import content as suite

DATA = suite.noise(200_000)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "content"


@pytest.fixture
def store(root):
    return local.LocalStore(root)


def test_the_layout_is_containerds(root, store) -> None:
    with store.writer("some/ref", total=10) as writer:
        writer.write(b"12345")
    folder = root / "ingest" / hashlib.sha256(b"some/ref").hexdigest()
    assert sorted(path.name for path in folder.iterdir()) == ["data", "ref", "startedat", "total", "updatedat"]
    assert (folder / "ref").read_bytes() == b"some/ref"
    assert (folder / "total").read_bytes() == b"10"
    assert timestamps.from_text((folder / "startedat").read_text()) is not None
    suite.put(store, DATA)
    blob = root / "blobs" / "sha256" / hashlib.sha256(DATA).hexdigest()
    assert blob.read_bytes() == DATA
    assert stat.S_IMODE(blob.stat().st_mode) == 0o444
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_an_ingest_of_the_original_is_gone_on_with(root, store) -> None:
    folder = root / "ingest" / hashlib.sha256(b"theirs").hexdigest()
    folder.mkdir()
    (folder / "data").write_bytes(DATA[:1000])
    (folder / "ref").write_text("theirs")
    (folder / "startedat").write_text("2024-05-01T10:11:12.123456789Z")
    (folder / "updatedat").write_text("2024-05-01T12:11:12+02:00")
    status = store.status("theirs")
    assert (status.offset, status.started_at) == (1000, 1714558272_123456789)
    assert status.updated_at == 1714558272 * 10**9
    with store.writer("theirs") as writer:
        writer.write(DATA[1000:])
        assert writer.commit(len(DATA), "") == suite.digest_of(DATA)


@pytest.mark.parametrize("missing", ["ref", "data"])
def test_half_an_ingest_begins_anew(root, store, missing) -> None:
    with store.writer("half") as writer:
        writer.write(b"12345")
    folder = root / "ingest" / hashlib.sha256(b"half").hexdigest()
    (folder / missing).unlink()
    assert store.list_statuses() == []
    with store.writer("half") as writer:
        assert writer.status().offset == 0


def test_another_total_begins_anew(store) -> None:
    with store.writer("ref", total=10) as writer:
        writer.write(b"12345")
    with store.writer("ref", total=11) as writer:
        assert (writer.status().offset, writer.status().total) == (0, 11)


def test_bytes_are_durable_before_the_blob_has_its_name(root, store, monkeypatch) -> None:
    done = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor):
        done.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
        real_fsync(descriptor)

    def rename(source, target, **places):
        if str(source).endswith("/data"):
            done.append(("rename", str(target)))
        real_rename(source, target, **places)

    with store.writer("ref") as writer:
        writer.write(DATA)
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "rename", rename)
        writer.commit(0, "")
    folder = root / "blobs" / "sha256"
    assert [what for what, _ in done] == ["fsync", "rename", "fsync"]
    assert done[0][1].endswith("/data")
    assert done[1][1] == str(folder / hashlib.sha256(DATA).hexdigest())
    assert done[2][1] == str(folder)


def test_a_failed_fsync_makes_no_blob(store, monkeypatch) -> None:
    def fsync(_descriptor):
        raise OSError(5, "Input/output error")

    with store.writer("ref") as writer:
        writer.write(DATA)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            with pytest.raises(OSError, match="Input/output"):
                writer.commit(0, "")
    with pytest.raises(errors.NotFound):
        store.info(suite.digest_of(DATA))
    with store.writer("ref") as writer:
        assert writer.commit(0, "") == suite.digest_of(DATA)


def test_a_full_disk_is_told_as_such(store, monkeypatch) -> None:
    def write(_descriptor, _data):
        raise OSError(28, "No space left on device")

    with store.writer("ref") as writer:
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(errors.ResourceExhausted, match="No space left"):
            writer.write(b"x")


def test_the_lock_says_since_when(root) -> None:
    times = iter(range(10**18, 2 * 10**18, 2_100_000_000))
    store = local.LocalStore(root, clock=lambda: next(times))
    with (
        store.writer("x"),
        pytest.raises(
            errors.Unavailable, match=r"^ref x locked for [0-9.]+s \(since 2001-09-09T01:46:40Z\): unavailable$"
        ),
    ):
        store.writer("x")


def test_abort_waits_for_the_writer_to_go(store) -> None:
    with store.writer("x"), pytest.raises(errors.Unavailable):
        store.abort("x")
    store.abort("x")


def test_a_forgotten_writer_lets_go(store) -> None:
    writer = store.writer("x")
    del writer
    store.writer("x").close()


def test_many_threads_want_one_ref(store) -> None:
    got: list[object] = []
    start = threading.Barrier(8)

    def want() -> None:
        start.wait()
        try:
            got.append(store.writer("x"))
        except errors.Unavailable:
            got.append(None)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [one] = [writer for writer in got if writer]
    one.close()
    assert len(got) == 8


def test_what_does_not_belong_there_is_passed_over(root, store) -> None:
    suite.put(store, DATA)
    (root / "blobs" / "sha256" / "junk").write_bytes(b"")
    (root / "blobs" / "other").mkdir()
    (root / "ingest" / "junk").mkdir()
    assert [info.digest for info in store.walk()] == [suite.digest_of(DATA)]
    assert store.list_statuses() == []
    with store.writer("torn") as writer:
        writer.write(b"12345")
    (root / "ingest" / hashlib.sha256(b"torn").hexdigest() / "ref").write_bytes(b"\xff\xfe")
    assert store.list_statuses() == []


def test_a_start_removes_what_nobody_can_go_on_with(root, store) -> None:
    """A crash while an ingest was begun or cleared away leaves a folder that no ref leads to."""
    for ref in ("whole", "no data", "no ref", "other ref"):
        with store.writer(ref) as writer:
            writer.write(b"12345")
    folder = {ref: root / "ingest" / hashlib.sha256(ref.encode()).hexdigest() for ref in ("whole", "no data", "no ref")}
    (folder["no data"] / "data").unlink()
    (folder["no ref"] / "ref").unlink()
    (root / "ingest" / hashlib.sha256(b"other ref").hexdigest() / "ref").write_bytes(b"")
    again = local.LocalStore(root)
    assert [path.name for path in (root / "ingest").iterdir()] == [folder["whole"].name]
    assert again.status("whole").offset == 5


def test_a_link_is_no_blob(root, store) -> None:
    (root / "blobs" / "sha256" / ("0" * 64)).symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic link"):
        store.reader(oci.Descriptor(media_type="x", digest="sha256:" + "0" * 64, size=1))


def test_descriptors_for_the_kernel(store) -> None:
    suite.put(store, DATA)
    with store.reader(suite.descriptor_of(DATA)) as reader:
        assert os.pread(reader.fileno(), 10, 5) == DATA[5:15]


@pytest.mark.parametrize("time", [0, 1, 10**9, 1714558272_123456789, 253402300799 * 10**9])
def test_times_as_text(time) -> None:
    assert timestamps.from_text(timestamps.to_text(time)) == time


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z"]
)
def test_no_times(text) -> None:
    assert timestamps.from_text(text) is None
