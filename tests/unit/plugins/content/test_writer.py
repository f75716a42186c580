"""The disk works while an ingest comes in."""

import errno

import pytest

from boxship.linux import files
from boxship.plugins.content import store as local
from boxship.testing import content as suite

PIECE = suite.noise(1 << 20)
MIB = 1 << 20


@pytest.fixture
def begun(monkeypatch):
    """The parts of files that the disk was told to begin with: offset and size."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(files, "start_writing", lambda descriptor, offset, size: found.append((offset, size)))
    return found


@pytest.fixture
def store(tmp_path):
    return local.LocalStore(tmp_path / "content")


def test_the_disk_begins_with_what_is_there(store, begun):
    with store.writer("r") as writer:
        for _ in range(20):
            writer.write(PIECE)
    assert begun == [(0, 8 * MIB), (8 * MIB, 8 * MIB)]


def test_it_goes_on_where_an_ingest_goes_on(store, begun):
    with store.writer("r") as writer:
        writer.write(PIECE)
    with store.writer("r") as writer:
        for _ in range(8):
            writer.write(PIECE)
        writer.truncate(0)
        for _ in range(8):
            writer.write(PIECE)
    assert begun == [(MIB, 8 * MIB), (0, 8 * MIB)]


def test_a_file_system_that_cannot_is_written_all_the_same(store, monkeypatch):
    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(files, "start_writing", refuse)
    with store.writer("r") as writer:
        for _ in range(9):
            writer.write(PIECE)
        assert writer.commit(9 * MIB, suite.digest_of(PIECE * 9)) == suite.digest_of(PIECE * 9)
