import os
import stat
import time

import pytest

from boxship.client import fifos

LATER = time.time() + 3600


@pytest.fixture
def stale(tmp_path):
    """What a client leaves that is killed."""
    made = fifos.make(str(tmp_path))
    for name in ("stdin", "stdout"):
        os.mkfifo(os.path.join(made, name))
    return made


def test_a_folder_is_private(tmp_path):
    made = fifos.make(str(tmp_path))
    assert os.path.dirname(made) == str(tmp_path)
    assert stat.S_IMODE(os.stat(made).st_mode) == 0o700


def test_what_nobody_reads_goes(tmp_path, stale):
    fifos.sweep(str(tmp_path), LATER)
    assert not os.path.exists(stale)


def test_the_next_one_sweeps(tmp_path, stale):
    os.utime(stale, (0, 0))
    made = fifos.make(str(tmp_path))
    assert os.listdir(tmp_path) == [os.path.basename(made)]


def test_what_is_read_stays(tmp_path, stale):
    reader = os.open(os.path.join(stale, "stdout"), os.O_RDONLY | os.O_NONBLOCK)
    fifos.sweep(str(tmp_path), LATER)
    assert sorted(os.listdir(stale)) == ["stdin", "stdout"]
    os.close(reader)
    fifos.sweep(str(tmp_path), LATER)
    assert not os.path.exists(stale)


def test_what_is_young_stays(tmp_path, stale):
    fifos.sweep(str(tmp_path))
    assert os.path.exists(stale)


def test_what_is_not_ours_stays(tmp_path, stale):
    other = tmp_path / "other"
    other.mkdir()
    link = tmp_path / "boxship-fifo-link"
    link.symlink_to(other)
    with_a_file = tmp_path / "boxship-fifo-file"
    with_a_file.mkdir()
    (with_a_file / "kept").write_text("kept")
    fifos.sweep(str(tmp_path), LATER)
    assert other.exists()
    assert link.is_symlink()
    assert (with_a_file / "kept").exists()
