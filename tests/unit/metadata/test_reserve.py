"""A disk that is full."""

import os
import subprocess

import pytest

from boxship.metadata import reserve
from boxship.terms import errors
from boxship.testing.images import image


@pytest.fixture
def small(tmp_path):
    """A file system of 8 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def fill(folder):
    with open(folder / "filler", "ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


@pytest.mark.root
def test_things_can_be_deleted_when_nothing_is_free(small, reopened):
    with reopened() as book:
        images = book.namespace("one").images
        for number in range(50):
            images.create(image(f"x{number}"))
        fill(small)

        def overfill():
            for number in range(10_000):
                images.create(image(f"more-{number}", labels={"k": "v" * 4000}))

        with pytest.raises(errors.ResourceExhausted, match=f"below {small}: database or disk is full; make room"):
            overfill()
        assert (small / "meta.db.reserve").exists()
        for number in range(50):
            images.delete(f"x{number}", synchronous=number == 25)
        assert not (small / "meta.db.reserve").exists()
        with pytest.raises(errors.NotFound):
            images.get("x0")
        book._copied_at -= 3600
        book.collect()  # there is no room for a new copy, which is no reason to fail
        os.unlink(small / "filler")
        images.create(image("again"))
        book.collect()
        assert (small / "meta.db.reserve").stat().st_size == reserve.SIZE


def test_the_reserve_is_kept_while_there_is_room(tmp_path):
    kept = reserve.Reserve(str(tmp_path / "r"))
    kept.open_if_low()
    assert (tmp_path / "r").stat().st_blocks * 512 >= reserve.SIZE


def test_no_reserve_is_no_reason_to_fail(tmp_path):
    """As on a file system that has no more inodes."""
    reserve.Reserve(str(tmp_path / "gone" / "r")).fill()
    assert not (tmp_path / "gone").exists()
