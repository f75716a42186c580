import os
import pathlib
import stat

import pytest

from boxship.linux import openat2


@pytest.fixture
def root(tmp_path: pathlib.Path):
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    descriptor = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def _close(descriptor: int) -> int:
    os.close(descriptor)
    return descriptor


def test_folders_are_made_with_their_parents(root: int, tmp_path: pathlib.Path) -> None:
    _close(openat2.make_folders(root, "/a/b/c"))
    assert (tmp_path / "root/a/b/c").is_dir()


@pytest.mark.parametrize("target", ["/outside", "../outside", "../../outside", "/"])
def test_links_stay_inside(root: int, tmp_path: pathlib.Path, target: str) -> None:
    (tmp_path / "root" / "link").symlink_to(target)
    _close(openat2.make_folders(root, "/link/new"))
    assert list((tmp_path / "outside").iterdir()) == []
    assert (tmp_path / "root" / target.replace("..", "").strip("/") / "new").is_dir()


def test_a_loop_ends(root: int, tmp_path: pathlib.Path) -> None:
    (tmp_path / "root" / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="loop"):
        openat2.make_folders(root, "/loop/x")


def test_magic_links_are_refused(root: int, tmp_path: pathlib.Path) -> None:
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="openat2"):
            openat2.open_in_root(proc, "self/cwd")
    finally:
        os.close(proc)


def test_files_are_made_once(root: int, tmp_path: pathlib.Path) -> None:
    _close(openat2.make_file(root, "/a/file"))
    (tmp_path / "root/a/file").write_text("content")
    descriptor = openat2.make_file(root, "/a/file")
    assert stat.S_ISREG(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    assert (tmp_path / "root/a/file").read_text() == "content"


def test_a_file_behind_a_dangling_link_is_made_inside(root: int, tmp_path: pathlib.Path) -> None:
    (tmp_path / "root" / "link").symlink_to("/outside/file")
    _close(openat2.make_file(root, "/link"))
    assert (tmp_path / "root/outside/file").exists()
    assert not (tmp_path / "outside/file").exists()


def test_a_nul_is_no_end_of_a_path(root: int) -> None:
    with pytest.raises(ValueError, match="null byte"):
        openat2.open_in_root(root, "a\0b")
