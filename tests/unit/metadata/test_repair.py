"""Files that somebody or something damaged."""

import os
import random
import shutil
import sqlite3

import pytest

from boxship.metadata import repair, schema
from boxship.terms import errors
from boxship.testing.images import image

NAMES = [f"image-{number:03}" for number in range(200)]


@pytest.fixture
def path(tmp_path, reopened):
    with reopened() as book:
        for name in NAMES:
            book.namespace("one").images.create(image(name))
    return tmp_path / "meta.db"


def names(book):
    return [found.name for found in book.namespace("one").images.list()]


def asides(path):
    return sorted(path.parent.glob("meta.db.corrupt-*"))


def test_after_a_clean_end_the_file_stands_alone(path):
    assert {each.name for each in path.parent.glob("meta.db*")} == {
        *("meta.db", "meta.db.copy", "meta.db.reserve", "meta.db.sums")
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert (path.parent / "meta.db.copy").stat().st_mode & 0o777 == 0o600


def flip(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def cut(data, rng):
    return data[: rng.randrange(1, len(data) // 4096) * 4096]


def blank(data, rng):
    at = rng.randrange(len(data) // 4096) * 4096
    return data[:at] + bytes(4096) + data[at + 4096 :]


def swap(data, rng):
    pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    one, two = rng.sample(range(len(pages)), 2)
    pages[one], pages[two] = pages[two], pages[one]
    return b"".join(pages)


@pytest.mark.slow
def test_no_damage_goes_unnoticed(path, reopened, caplog):
    """Mutations of a file that was closed cleanly: each is put aside and nothing is lost."""
    rng = random.Random(7)
    whole = {each: each.read_bytes() for each in path.parent.glob("meta.db*")}
    for number in range(24):
        for old in path.parent.glob("meta.db*"):
            old.unlink()
        for each, data in whole.items():
            each.write_bytes(data)
        change = (flip, cut, blank, swap)[number % 4]
        damaged = change(whole[path], rng)
        if damaged == whole[path]:
            continue
        path.write_bytes(damaged)
        caplog.clear()
        with reopened() as book:
            assert names(book) == NAMES, (number, change)
        assert "nothing is lost" in caplog.text
        assert [each.read_bytes() for each in asides(path)] == [damaged]


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "old"])
def test_whole_files_that_are_wrong(path, reopened, tmp_path, damage):
    if damage == "missing":
        path.unlink()
    elif damage == "old":
        shutil.copy(path, tmp_path / "old")
        with reopened() as book:
            book.namespace("one").images.create(image("new"))
        shutil.copy(tmp_path / "old", path)
    else:
        path.write_bytes(b"" if damage == "empty" else b"garbage" * 10_000)
    with reopened() as book:
        assert names(book) == NAMES + (["new"] if damage == "old" else [])


def test_no_good_copy_is_a_refusal(path, reopened):
    damaged = path.read_bytes()[:4096] + b"\xff" * 40_000
    path.write_bytes(damaged)
    (path.parent / "meta.db.copy").write_bytes(b"rubbish" * 2000)
    for _ in range(2):
        with pytest.raises(errors.DataLoss, match=r"is damaged .* move it away to begin with an empty one"), reopened():
            pass
    assert path.read_bytes() == damaged
    assert asides(path) == []


def test_an_older_copy_holds_the_collection_back(path, reopened, caplog):
    with reopened() as book:
        with book.namespace("one").content.writer("ref") as writer:
            writer.write(b"a")
            writer.commit(0, "", {"containerd.io/gc.root": "now"})
        book.rows.close()  # not a clean end: the copy is from before
        (path.parent / "meta.db-wal").write_bytes(b"")
        path.write_bytes(b"rubbish" * 2000)
        with reopened() as again:
            assert "no content or snapshot is collected until you remove" in caplog.text
            assert names(again) == NAMES
            assert list(again.namespace("one").content.walk()) == []
            again.collect()
            assert len(list(again.content.walk())) == 1
            os.unlink(f"{path}.restored")
            again.rows.freed = True
            again.collect()
            assert list(again.content.walk()) == []


def test_something_else_in_its_place(tmp_path, reopened):
    (tmp_path / "meta.db").mkdir()
    with pytest.raises(errors.FailedPrecondition, match="is not a file"), reopened():
        pass


def test_a_newer_file_is_refused(path, reopened):
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    connection.close()
    os.unlink(f"{path}.sums")
    with pytest.raises(errors.FailedPrecondition, match="start a newer boxshipd"), reopened():
        pass


def test_another_programs_file_is_refused(tmp_path, reopened):
    connection = sqlite3.connect(tmp_path / "meta.db")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA application_id = 77")
    connection.close()
    with pytest.raises(errors.FailedPrecondition, match="belongs to another program"), reopened():
        pass


def test_rows_that_refer_to_nothing_are_noticed(path, reopened):
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM namespaces")
    connection.commit()
    connection.close()
    os.unlink(f"{path}.sums")
    with reopened() as book:
        assert names(book) == NAMES


def test_the_copy_is_renewed_by_collections_now_and_then(path, reopened, monkeypatch):
    with reopened() as book:
        before = (path.parent / "meta.db.copy").stat().st_ino
        book.collect()
        assert (path.parent / "meta.db.copy").stat().st_ino == before
        book._copied_at -= 3600
        book.collect()
        assert (path.parent / "meta.db.copy").stat().st_ino != before


def unclean(path, reopened, tmp_path):
    """The files as a killed daemon leaves them, with more than the copy knows in the log; the names that are there."""
    more = [f"later-{number}" for number in range(30)]
    with reopened() as book:
        for name in more:
            book.namespace("one").images.create(image(name))
        files = {each: each.read_bytes() for each in tmp_path.glob("meta.db*") if not each.name.endswith("-shm")}
    for each in tmp_path.glob("meta.db*"):
        each.unlink()
    for each, data in files.items():
        each.write_bytes(data)
    return sorted(NAMES + more)


def test_a_log_that_is_whole_is_recovered(path, reopened, tmp_path, caplog):
    there = unclean(path, reopened, tmp_path)
    with reopened() as book:
        assert names(book) == there
    assert caplog.text == ""


@pytest.mark.parametrize("bytes_cut", [1, 30, 5000])
def test_a_log_that_was_cut_short_is_nothing_to_talk_about(path, reopened, tmp_path, caplog, bytes_cut):
    there = unclean(path, reopened, tmp_path)
    log = tmp_path / "meta.db-wal"
    os.truncate(log, log.stat().st_size - bytes_cut)
    with reopened() as book:
        assert set(names(book)) < set(there)
    assert caplog.text == ""


def test_a_log_that_is_damaged_is_told_and_kept(path, reopened, tmp_path, caplog):
    there = unclean(path, reopened, tmp_path)
    log = tmp_path / "meta.db-wal"
    damaged = bytearray(log.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    log.write_bytes(damaged)
    with reopened() as book:
        assert set(names(book)) < set(there)
    assert "its write-ahead log is damaged" in caplog.text
    assert (tmp_path / "meta.db.restored").exists()
    assert [each.read_bytes() for each in tmp_path.glob("meta.db.corrupt-*-wal")] == [bytes(damaged)]


@pytest.mark.parametrize("change", [("{}", "{ "), ("application", "applicati\xf8n")], ids=["json", "utf-8"])
def test_damage_within_a_value_is_noticed(path, reopened, change):
    old, new = (each.encode("latin-1") for each in change)
    damaged = path.read_bytes()
    assert old in damaged
    path.write_bytes(damaged.replace(old, new, 50))
    os.unlink(f"{path}.sums")
    with reopened() as book:
        assert names(book) == NAMES
    assert len(asides(path)) == 1


def test_a_reader_that_outlives_the_end_damages_nothing(path, reopened, caplog):
    """The last connection moves the log into the file: when it is not ours, the digest must not be of before."""
    with reopened() as book:
        book.namespace("one").images.create(image("late"))
        reading = book.rows._take()  # as a call that is still answered
    book.rows._give_back(reading)
    caplog.clear()
    with reopened() as again:
        assert names(again) == [*NAMES, "late"]
    assert caplog.text == ""
    assert asides(path) == []


def test_the_end_comes_even_if_it_cannot_be_sealed(path, reopened, monkeypatch, caplog):
    def fail(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(repair, "seal", fail)
    with reopened() as book:
        book.namespace("one").images.create(image("late"))
    assert "No space left" in caplog.text
    monkeypatch.undo()
    with reopened() as again:
        assert names(again) == [*NAMES, "late"]


def test_a_start_without_room_for_a_copy(path, reopened, monkeypatch, caplog):
    (path.parent / "meta.db.copy").unlink()

    def fail(_rows):
        raise errors.ResourceExhausted("full")

    monkeypatch.setattr(repair, "save_copy", fail)
    with reopened() as book:
        assert names(book) == NAMES
    assert "cannot copy metadata database" in caplog.text
