import os
import pathlib

import pytest

from boxship.linux import mounts, overlays


def test_options_become_flags_propagation_and_data() -> None:
    words = ["ro", "nosuid", "rshared", "size=64k", "mode=755", "X-mount.mkdir", "rw"]
    assert mounts.mount_options(words) == (mounts.MS_NOSUID, mounts.MS_SHARED | mounts.MS_REC, "size=64k,mode=755")


def test_defaults_say_nothing() -> None:
    assert mounts.mount_options(["defaults"]) == (0, 0, "")


def test_a_line_of_mountinfo() -> None:
    line = rb"36 35 98:0 /mnt1\040x /mnt2\134y rw,noatime master:1 shared:2 - ext3 /dev/ro\011ot rw,errors=continue"
    (info,) = mounts.parse_mountinfo(line + b"\nnonsense\n")
    assert (info.id, info.parent, info.major, info.minor) == (36, 35, 98, 0)
    assert (info.root, info.target) == ("/mnt1 x", "/mnt2\\y")
    assert info.tags == ("master:1", "shared:2")
    assert (info.type, info.source) == ("ext3", "/dev/ro\tot")
    assert info.super_options == ("rw", "errors=continue")


def test_own_table_has_a_root() -> None:
    assert any(info.target == "/" for info in mounts.mountinfo())


def test_lower_folders_with_colons_and_data_only_layers() -> None:
    assert list(overlays.lower_folders(r"/a:/b\:c::/data")) == [("/a", False), ("/b:c", False), ("/data", True)]


def test_error_names_call_and_path(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OSError, match="mount") as caught:
        mounts.mount("none", str(tmp_path / "missing"), "tmpfs")
    assert str(tmp_path / "missing") in str(caught.value)


def test_data_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OSError, match="mount"):
        mounts.mount("overlay", "/", "overlay", 0, "lowerdir=" + "x" * mounts.PAGE)


def test_nothing_mounted_is_nothing_to_unmount(tmp_path: pathlib.Path) -> None:
    assert mounts.umount_all(str(tmp_path / "missing")) == 0


@pytest.fixture
def scratch(tmp_path: pathlib.Path):
    mounts.mount("tmpfs", str(tmp_path), "tmpfs")
    yield tmp_path
    mounts.umount(str(tmp_path), mounts.MNT_DETACH)


@pytest.mark.root
@pytest.mark.parametrize("count", [2, 60, 200])
def test_overlay_of_any_number_of_layers(scratch: pathlib.Path, count: int) -> None:
    layers = []
    for number in range(count):
        layer = scratch / "layers" / f"{'long' * 10}{number}" / "fs"
        layer.mkdir(parents=True)
        (layer / f"file{number}").touch()
        layers.append(str(layer))
    for name in ("upper", "work", "merged"):
        (scratch / name).mkdir()
    merged = str(scratch / "merged")
    options = (f"upperdir={scratch}/upper", f"workdir={scratch}/work", "lowerdir=" + ":".join(layers))
    mounts.mount_all([mounts.Mount(type="overlay", source="overlay", options=options)], merged)
    try:
        assert len(os.listdir(merged)) == count
    finally:
        assert mounts.umount_all(merged) == 1


@pytest.mark.root
def test_descriptors_shorten_the_names_of_layers(scratch: pathlib.Path) -> None:
    for name in ("lower1", "lower2", "upper", "work", "merged"):
        (scratch / name).mkdir()
    (scratch / "lower1" / "file").touch()
    data = f"lowerdir={scratch}/lower1:{scratch}/lower2,upperdir={scratch}/upper,workdir={scratch}/work"
    with overlays.shortened(data) as short:
        assert str(scratch / "lower1") not in short
        mounts.mount("overlay", str(scratch / "merged"), "overlay", 0, short)
    assert os.listdir(scratch / "merged") == ["file"]


@pytest.mark.root
def test_readonly_bind_below_the_target(scratch: pathlib.Path) -> None:
    for name in ("source", "target", "target/inner"):
        (scratch / name).mkdir()
    item = mounts.Mount(type="bind", source=str(scratch / "source"), target="inner", options=("rbind", "ro"))
    mounts.mount_all([item], str(scratch / "target"))
    (info,) = [info for info in mounts.mountinfo() if info.target == str(scratch / "target" / "inner")]
    assert "ro" in info.options


@pytest.mark.root
def test_a_place_below_the_target_never_leaves_it(scratch: pathlib.Path) -> None:
    for name in ("source", "target", "outside"):
        (scratch / name).mkdir()
    (scratch / "target" / "inner").symlink_to(scratch / "outside")
    item = mounts.Mount(type="bind", source=str(scratch / "source"), target="inner", options=("bind",))
    with pytest.raises(OSError, match="openat2"):
        mounts.mount_all([item], str(scratch / "target"))


@pytest.mark.root
def test_failure_takes_back_what_was_mounted(scratch: pathlib.Path) -> None:
    (scratch / "target").mkdir()
    items = [
        mounts.Mount(type="tmpfs", source="tmpfs"),
        mounts.Mount(type="bind", source=str(scratch / "missing"), options=("bind",)),
    ]
    with pytest.raises(OSError, match="mount"):
        mounts.mount_all(items, str(scratch / "target"))
    assert not mounts.is_mounted(str(scratch / "target"))
