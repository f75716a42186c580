"""Whoever makes snapshots passes this: a snapshotter on a disk, the book around it, a proxy over the wire.

The suite mounts what it is given, so it needs root (or a user namespace in which overlay may be mounted).
"""

import contextlib
import errno
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from boxship.core import mounts as values
from boxship.core import snapshots
from boxship.linux import mounts as kernel
from boxship.terms import errors

_numbers = itertools.count()
_ATTEMPTS, _PAUSE = 100, 0.01


@contextlib.contextmanager
def mounted(items: Sequence[values.Mount], where: Path) -> Iterator[Path]:
    """What the mounts show, in a fresh folder below `where`."""
    target = where / f"mounted-{next(_numbers)}"
    target.mkdir(parents=True)
    kernel.mount_all(
        [kernel.Mount(type=item.type, source=item.source, target=item.target, options=item.options) for item in items],
        str(target),
    )
    try:
        yield target
    finally:
        _unmount(target)
        target.rmdir()


def _unmount(target: Path) -> None:
    """A process that is being born elsewhere may hold what we had open, until it executes its program."""
    for attempt in itertools.count():
        try:
            kernel.umount_all(str(target))
        except OSError as error:
            if error.errno != errno.EBUSY or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE)
        else:
            return


class SnapshotterSuite:
    """Override `snapshotter`."""

    @pytest.fixture
    def snapshotter(self) -> snapshots.Snapshotter:
        raise NotImplementedError

    @pytest.fixture
    def work(self, tmp_path: Path) -> Path:
        return tmp_path / "work"

    @pytest.fixture
    def layer(self, snapshotter: snapshots.Snapshotter, work: Path) -> Callable[..., str]:
        """Makes a committed snapshot: `layer(name, parent, change)` where change gets the mounted folder."""

        def make(name: str, parent: str, change: Callable[[Path], object]) -> str:
            key = f"{name}-active"
            with mounted(snapshotter.prepare(key, parent), work) as root:
                change(root)
            snapshotter.commit(name, key)
            return name

        return make

    @pytest.fixture
    def shown(self, snapshotter: snapshots.Snapshotter, work: Path) -> Callable[[str], dict[str, str]]:
        """Texts of all files of a committed snapshot, by path."""

        def look(parent: str) -> dict[str, str]:
            key = f"look-{next(_numbers)}"
            with mounted(snapshotter.view(key, parent), work) as root:
                found = {
                    str(path.relative_to(root)): "" if path.is_dir() else path.read_text()
                    for path in sorted(root.rglob("*"))
                }
            snapshotter.remove(key)
            return found

        return look

    def test_from_prepare_to_remove(
        self, snapshotter: snapshots.Snapshotter, work: Path, shown: Callable[[str], dict[str, str]]
    ) -> None:
        with mounted(snapshotter.prepare("k1"), work) as root:
            (root / "foo").write_text("foo\n")
            (root / "a/b/c").mkdir(parents=True)
        snapshotter.commit("c1", "k1")
        assert snapshotter.stat("c1").kind is snapshots.Kind.COMMITTED
        assert snapshotter.stat("c1").parent == ""
        with pytest.raises(errors.NotFound):
            snapshotter.stat("k1")
        with mounted(snapshotter.prepare("k2", "c1"), work) as root:
            assert (root / "foo").read_text() == "foo\n"
            (root / "bar").write_text("bar\n")
            (root / "foo").unlink()
            (root / "a/b/hi").write_text("hi\n")
        assert snapshotter.stat("k2").parent == "c1"
        snapshotter.commit("c2", "k2")
        assert snapshotter.stat("c2").parent == "c1"
        assert shown("c2") == {"a": "", "a/b": "", "a/b/c": "", "a/b/hi": "hi\n", "bar": "bar\n"}
        assert shown("c1") == {"a": "", "a/b": "", "a/b/c": "", "foo": "foo\n"}
        with pytest.raises(errors.FailedPrecondition, match="cannot remove snapshot with child"):
            snapshotter.remove("c1")
        snapshotter.remove("c2")
        snapshotter.remove("c1")
        assert list(snapshotter.walk()) == []

    def test_stat_of_an_active_one(self, snapshotter: snapshots.Snapshotter) -> None:
        snapshotter.prepare("active", labels={"containerd.io/snapshot/x": "1"})
        info = snapshotter.stat("active")
        assert (info.name, info.kind, info.parent) == ("active", snapshots.Kind.ACTIVE, "")
        assert info.labels["containerd.io/snapshot/x"] == "1"
        assert info.created_at is not None
        assert info.created_at > 1_600_000_000 * 10**9
        assert info.updated_at == info.created_at

    def test_mounts_can_be_asked_for_again(self, snapshotter: snapshots.Snapshotter) -> None:
        given = snapshotter.prepare("base")
        assert snapshotter.mounts("base") == given
        snapshotter.commit("c", "base")
        for make in (snapshotter.prepare, snapshotter.view):
            given = make("again", "c")
            assert given
            assert snapshotter.mounts("again") == given
            snapshotter.remove("again")
        with pytest.raises(errors.FailedPrecondition):
            snapshotter.mounts("c")
        with pytest.raises(errors.NotFound):
            snapshotter.mounts("nobody")

    def test_keys_are_taken_once(self, snapshotter: snapshots.Snapshotter, layer: Callable[..., str]) -> None:
        layer("c", "", lambda _: None)
        snapshotter.prepare("k", "c")
        for make in (snapshotter.prepare, snapshotter.view):
            with pytest.raises(errors.AlreadyExists):
                make("k", "c")
            with pytest.raises(errors.AlreadyExists):
                make("c", "c")
        with pytest.raises(errors.AlreadyExists):
            snapshotter.commit("c", "k")
        assert snapshotter.stat("k").kind is snapshots.Kind.ACTIVE

    def test_parents_must_be_committed(self, snapshotter: snapshots.Snapshotter) -> None:
        snapshotter.prepare("active")
        snapshotter.view("view")
        for make in (snapshotter.prepare, snapshotter.view):
            with pytest.raises(errors.NotFound):
                make("x", "nobody")
            for parent in ("active", "view"):
                with pytest.raises((errors.InvalidArgument, errors.FailedPrecondition)):
                    make("x", parent)
        with pytest.raises(errors.NotFound):
            snapshotter.stat("x")

    def test_only_active_ones_are_committed(
        self, snapshotter: snapshots.Snapshotter, layer: Callable[..., str]
    ) -> None:
        layer("c", "", lambda _: None)
        snapshotter.view("v", "c")
        for key in ("v", "c"):
            with pytest.raises(errors.FailedPrecondition):
                snapshotter.commit("d", key)
        with pytest.raises(errors.NotFound):
            snapshotter.commit("d", "nobody")
        with pytest.raises(errors.NotFound):
            snapshotter.stat("d")

    def test_views_cannot_be_written(
        self, snapshotter: snapshots.Snapshotter, layer: Callable[..., str], work: Path
    ) -> None:
        layer("c1", "", lambda root: (root / "f").write_text("1"))
        layer("c2", "c1", lambda root: (root / "g").write_text("2"))
        for parent in ("", "c1", "c2"):
            with mounted(snapshotter.view("v", parent), work) as root:
                with pytest.raises(OSError, match="Read-only"):
                    (root / "new").write_text("x")
                assert snapshotter.stat("v").kind is snapshots.Kind.VIEW
            snapshotter.remove("v")

    def test_labels(self, snapshotter: snapshots.Snapshotter) -> None:
        snapshotter.prepare("k", labels={"containerd.io/snapshot/a": "1", "containerd.io/snapshot/b": "2"})
        name_a, name_b, name_c = (f"containerd.io/snapshot/{letter}" for letter in "abc")

        def change(labels: dict[str, str], *paths: str) -> dict[str, str]:
            info = snapshots.Info(name="k", kind=snapshots.Kind.ACTIVE, labels=labels)
            changed = snapshotter.update(info, paths)
            assert dict(changed.labels) == dict(snapshotter.stat("k").labels)
            return dict(changed.labels)

        assert change({name_a: "3"}, f"labels.{name_a}") == {name_a: "3", name_b: "2"}
        assert change({name_c: "4"}, f"labels.{name_c}", f"labels.{name_b}") == {name_a: "3", name_c: "4"}
        assert change({name_b: "5"}, "labels") == {name_b: "5"}
        assert change({name_c: "6"}) == {name_c: "6"}
        for path in ("parent", "kind", "name"):
            with pytest.raises(errors.InvalidArgument):
                change({}, path)
        with pytest.raises(errors.NotFound):
            snapshotter.update(snapshots.Info(name="nobody", kind=snapshots.Kind.ACTIVE), ["labels"])

    def test_walk(self, snapshotter: snapshots.Snapshotter) -> None:
        snapshotter.prepare("a1", labels={"containerd.io/snapshot/tag": "x"})
        snapshotter.commit("c1", "a1", labels={"containerd.io/snapshot/tag": "y"})
        snapshotter.prepare("a2", "c1")
        snapshotter.view("v1", "c1")

        def names(*wanted: str) -> list[str]:
            return sorted(info.name for info in snapshotter.walk(wanted))

        assert names() == ["a2", "c1", "v1"]
        assert names("kind==view") == ["v1"]
        assert names("kind==active", "kind==committed") == ["a2", "c1"]
        assert names("parent==c1") == ["a2", "v1"]
        assert names("parent==c1,kind==active") == ["a2"]
        assert names("name==c1") == ["c1"]
        assert names('labels."containerd.io/snapshot/tag"==y') == ["c1"]
        assert names('labels."containerd.io/snapshot/tag"==x') == []
        with pytest.raises(errors.InvalidArgument):
            names("kind=view")
        for info in snapshotter.walk():
            assert snapshotter.stat(info.name) == info

    def test_remove(self, snapshotter: snapshots.Snapshotter) -> None:
        snapshotter.prepare("k")
        snapshotter.view("v")
        snapshotter.remove("k")
        snapshotter.remove("v")
        for key in ("k", "v", "nobody"):
            with pytest.raises(errors.NotFound):
                snapshotter.remove(key)
        snapshotter.prepare("k")

    def test_usage(self, snapshotter: snapshots.Snapshotter, layer: Callable[..., str], work: Path) -> None:
        layer("c1", "", lambda root: (root / "big").write_bytes(os.urandom(1 << 20)))
        usage = snapshotter.usage("c1")
        assert 1 << 20 <= usage.size < (1 << 20) + 200_000
        assert usage.inodes >= 2
        with mounted(snapshotter.prepare("k", "c1"), work) as root:
            before = snapshotter.usage("k")
            (root / "more").write_bytes(os.urandom(300_000))
            os.sync()
            os.link(root / "more", root / "link")
            after = snapshotter.usage("k")
        assert 300_000 <= after.size - before.size < 500_000
        assert after.inodes - before.inodes == 1
        with pytest.raises(errors.NotFound):
            snapshotter.usage("nobody")

    def test_file_updates_do_not_reach_down(
        self, layer: Callable[..., str], shown: Callable[[str], dict[str, str]]
    ) -> None:
        layer("c1", "", lambda root: (root / "f").write_text("old"))
        layer("c2", "c1", lambda root: (root / "f").write_text("new"))
        assert (shown("c1"), shown("c2")) == ({"f": "old"}, {"f": "new"})

    def test_a_folder_of_a_lower_layer_is_removed(
        self, layer: Callable[..., str], shown: Callable[[str], dict[str, str]]
    ) -> None:
        def fill(root: Path) -> None:
            (root / "d/e").mkdir(parents=True)
            (root / "d/e/f").write_text("x")

        def clear(root: Path) -> None:
            (root / "d/e/f").unlink()
            (root / "d/e").rmdir()
            (root / "d").rmdir()

        layer("c1", "", fill)
        layer("c2", "c1", clear)
        assert shown("c2") == {}
        layer("c3", "c2", lambda root: (root / "d").mkdir())
        assert shown("c3") == {"d": ""}

    def test_a_file_moves_up_and_away(self, layer: Callable[..., str], shown: Callable[[str], dict[str, str]]) -> None:
        layer("c1", "", lambda root: (root / "f").write_text("x"))
        layer("c2", "c1", lambda root: (root / "f").rename(root / "g"))
        assert shown("c2") == {"g": "x"}

    def test_owners_and_modes_are_kept(
        self, snapshotter: snapshots.Snapshotter, layer: Callable[..., str], work: Path
    ) -> None:
        def fill(root: Path) -> None:
            (root / "f").write_text("x")
            os.chown(root / "f", 4001, 4002)
            (root / "d").mkdir()
            (root / "d").chmod(0o1777)
            (root / "s").write_text("x")
            (root / "s").chmod(0o4755)
            (root / "l").symlink_to("f")

        layer("c1", "", fill)
        layer("c2", "c1", lambda root: os.chown(root / "f", 5001, 5002))
        for parent, owner in (("c1", (4001, 4002)), ("c2", (5001, 5002))):
            with mounted(snapshotter.view("v", parent), work) as root:
                found = (root / "f").stat()
                assert (found.st_uid, found.st_gid) == owner
                assert stat.S_IMODE((root / "d").stat().st_mode) == 0o1777
                assert stat.S_IMODE((root / "s").stat().st_mode) == 0o4755
                assert (root / "l").readlink() == Path("f")
            snapshotter.remove("v")

    def test_the_root_can_be_entered_by_all(self, snapshotter: snapshots.Snapshotter, work: Path) -> None:
        old = os.umask(0o077)
        try:
            given = snapshotter.prepare("k")
        finally:
            os.umask(old)
        with mounted(given, work) as root:
            assert stat.S_IMODE(root.stat().st_mode) == 0o755

    def test_siblings_do_not_see_each_other(
        self, snapshotter: snapshots.Snapshotter, layer: Callable[..., str], work: Path
    ) -> None:
        layer("c1", "", lambda root: (root / "f").write_text("x"))
        with (
            mounted(snapshotter.prepare("k1", "c1"), work) as one,
            mounted(snapshotter.prepare("k2", "c1"), work) as two,
        ):
            (one / "f").write_text("one")
            (two / "g").write_text("two")
            assert (two / "f").read_text() == "x"
            assert not (one / "g").exists()

    @pytest.mark.slow
    def test_many_layers(self, snapshotter: snapshots.Snapshotter, layer: Callable[..., str], work: Path) -> None:
        parent = ""
        count = 128
        for n in range(count):
            parent = layer(f"c{n}", parent, lambda root, n=n: (root / f"f{n}").write_text(str(n)))
        with mounted(snapshotter.prepare("top", parent), work) as root:
            assert sorted(path.name for path in root.iterdir()) == sorted(f"f{n}" for n in range(count))
            (root / "f0").write_text("changed")
        with mounted(snapshotter.view("v", parent), work) as root:
            assert (root / "f0").read_text() == "0"

    def test_close_twice(self, snapshotter: snapshots.Snapshotter) -> None:
        snapshotter.close()
        snapshotter.close()
