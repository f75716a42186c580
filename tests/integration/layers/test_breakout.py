"""No archive reaches out of the folder it is applied to. Each one is tried where whiteouts are removals and where they
are written as overlay keeps them; the canary beside the folder is on a tmpfs of its own run and is compared to the inode.
"""

import contextlib
import io
import os
import tarfile

import pytest

from boxship.core import tar
from boxship.linux import mounts, trees
from boxship.plugins.layers import applying
from boxship.terms import errors
from boxship.testing import layers

pytestmark = pytest.mark.root
CASES = layers.cases()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("breakout")
    mounts.mount("tmpfs", str(folder), "tmpfs", 0, "size=64m")
    yield folder
    mounts.umount_all(str(folder), mounts.MNT_DETACH)


@pytest.fixture
def place(scratch):
    made = layers.Place.below(scratch / "place")
    yield made
    remove(scratch, "place")


def remove(folder, name) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        trees.remove(descriptor, name)
    finally:
        os.close(descriptor)


def apply(place, members, overlay=""):
    root = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        stream = io.BytesIO(layers.archive(members))
        applying.Applier(root, applying.Options(overlay=overlay)).run(tar.Reader(stream.read))
    finally:
        os.close(root)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("overlay", ["", "trusted."], ids=["plain", "overlay"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace("/", "|"))
def test_nothing_gets_out(case, overlay, place) -> None:
    members = case.build(place)
    before = place.witness()
    descriptors = os.listdir("/proc/self/fd")
    failure = None
    try:
        apply(place, members, overlay)
    except errors.InvalidArgument as exc:
        failure = str(exc)
    assert place.witness() == before
    assert place.root.is_dir()
    assert not place.root.is_symlink()
    assert os.listdir("/proc/self/fd") == descriptors
    assert failure is None or failure.isprintable()
    if case.refused is not None:
        assert (failure is not None) == case.refused


def naive(place, members) -> None:
    """What a careless extractor does: join names and go."""
    with tarfile.open(fileobj=io.BytesIO(layers.archive(members))) as file:
        for info in file:
            path = os.path.join(place.root, info.name)
            with contextlib.suppress(OSError, RecursionError):
                os.makedirs(os.path.dirname(path), exist_ok=True)
            with contextlib.suppress(OSError):
                _naive_one(file, info, path, place)


def _naive_one(file, info, path, place) -> None:
    base = os.path.basename(path)
    if base.startswith(".wh."):
        os.unlink(os.path.join(os.path.dirname(path), base[4:]))
    elif info.isreg():
        with open(path, "wb") as out:
            out.write(file.extractfile(info).read())
    elif info.isdir():
        os.makedirs(path, exist_ok=True)
    elif info.issym():
        with contextlib.suppress(FileExistsError):
            os.symlink(info.linkname, path)
    elif info.islnk():
        os.link(os.path.join(place.root, info.linkname), path)
    elif info.isfifo():
        os.mkfifo(path)
    if not info.issym():
        os.chmod(path, info.mode)
        os.utime(path, (info.mtime, info.mtime))


@pytest.mark.slow
def test_a_careless_extractor_is_caught(scratch) -> None:
    caught = 0
    for case in CASES:
        place = layers.Place.below(scratch / "careless")
        before = place.witness()
        members = case.build(place)
        if not any(b"etc" in entry.name or b"etc" in entry.linkname for entry, _ in members) and not any(
            entry.linkname in {b"/", b"/proc/self/root"}
            or (entry.name.startswith(b"..") and b"canary" not in entry.name)
            for entry, _ in members
        ):
            naive(place, members)
            caught += place.witness() != before
        remove(scratch, "careless")
    assert caught >= 80


def test_the_witness_sees_everything(place) -> None:
    def changed(change) -> bool:
        before = place.witness()
        change()
        return place.witness() != before

    canary = place.canary
    assert not changed((canary / "file").read_bytes)
    assert changed(lambda: (canary / "file").chmod(0o640))
    assert changed(lambda: (canary / "file").write_text("canary file"))
    assert changed(lambda: os.utime(canary / "folder"))
    assert changed(lambda: os.link(canary / "file", place.root / "link"))
    assert changed((canary.parent / "new").touch)
    (canary.parent / "new").unlink()
