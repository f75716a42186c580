"""A disk that is full: the caller is told where and what to do, and nothing that was there is harmed."""

import subprocess

import pytest

from boxship.plugins.content import store as local
from boxship.terms import errors
from boxship.testing import content as suite

pytestmark = pytest.mark.root
DATA = suite.noise(600_000)
FULL = "No space left on device; make room"


@pytest.fixture
def small(tmp_path):
    """A file system of 1 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def fill(folder):
    with open(folder / "filler", "ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def test_what_was_written_stays_and_the_rest_follows(small):
    store = local.LocalStore(small / "content")
    with store.writer("r") as writer:
        writer.write(DATA[:100_000])
        fill(small)
        with pytest.raises(errors.ResourceExhausted, match=f"below {small}/content: {FULL}"):
            writer.write(DATA[100_000:])
    begun = store.status("r").offset
    assert begun >= 100_000
    (small / "filler").unlink()
    with local.LocalStore(small / "content").writer("r") as writer:
        assert writer.status().offset == begun
        writer.write(DATA[begun:])
        assert writer.commit(len(DATA), suite.digest_of(DATA)) == suite.digest_of(DATA)


def test_an_ingest_that_cannot_begin(small):
    store = local.LocalStore(small / "content")
    fill(small)
    with pytest.raises(errors.ResourceExhausted, match=f"below {small}/content: {FULL}"):
        store.writer("r")
    (small / "filler").unlink()
    assert local.LocalStore(small / "content").list_statuses() == []
    with store.writer("r") as writer:
        assert writer.status().offset == 0
