import os
import sqlite3
import stat
import threading

import pytest

from boxship.core import snapshots
from boxship.linux import files
from boxship.linux import trees as linux_trees
from boxship.plugins.snapshots import native, overlayfs, records, trees
from boxship.terms import errors

pytestmark = pytest.mark.root


@pytest.fixture
def root(tmp_path):
    return tmp_path / "overlayfs"


@pytest.fixture
def snapshotter(root):
    made = overlayfs.OverlaySnapshotter(root)
    yield made
    made.close()


def folders(root):
    return sorted(path.name for path in (root / "snapshots").iterdir())


class TestOverlayMounts:
    """As containerd 2.3 hands them out."""

    def test_without_a_parent(self, root, snapshotter) -> None:
        [given] = snapshotter.prepare("k")
        assert (given.type, given.source, given.options) == ("bind", f"{root}/snapshots/1/fs", ("rw", "rbind"))
        [given] = snapshotter.view("v")
        assert (given.type, given.source, given.options) == ("bind", f"{root}/snapshots/2/fs", ("ro", "rbind"))
        assert sorted(os.listdir(root / "snapshots/1")) == ["fs", "work"]
        assert os.listdir(root / "snapshots/2") == ["fs"]

    def test_on_one_and_more(self, root, snapshotter) -> None:
        place = f"{root}/snapshots"
        snapshotter.prepare("k1")
        snapshotter.commit("c1", "k1")
        [given] = snapshotter.view("v1", "c1")
        assert (given.type, given.source, given.options) == ("bind", f"{place}/1/fs", ("ro", "rbind"))
        [given] = snapshotter.prepare("k3", "c1")
        assert (given.type, given.source) == ("overlay", "overlay")
        assert given.options[:3] == (f"workdir={place}/3/work", f"upperdir={place}/3/fs", f"lowerdir={place}/1/fs")
        assert given.options[3:] == snapshotter.mount_options
        snapshotter.commit("c3", "k3")
        [given] = snapshotter.view("v4", "c3")
        assert given.options[0] == f"lowerdir={place}/3/fs:{place}/1/fs"

    def test_options(self, tmp_path) -> None:
        config = overlayfs.Config(mount_options=("index=on", "volatile"))
        made = overlayfs.OverlaySnapshotter(tmp_path / "a", config)
        assert made.mount_options == ("index=on", "volatile")
        made.close()
        if os.path.exists("/sys/module/overlay/parameters/index"):
            made = overlayfs.OverlaySnapshotter(tmp_path / "b")
            assert made.mount_options == ("index=off",)
            made.close()

    def test_the_upper_folder_as_a_label(self, tmp_path) -> None:
        made = overlayfs.OverlaySnapshotter(tmp_path / "o", overlayfs.Config(upperdir_label=True))
        made.prepare("k")
        wanted = {"containerd.io/snapshot/overlay.upperdir": f"{tmp_path}/o/snapshots/1/fs"}
        assert made.stat("k").labels == wanted
        assert [info.labels for info in made.walk()] == [wanted]
        assert made.update(snapshots.Info(name="k", kind=snapshots.Kind.ACTIVE, labels={"a": "b"})).labels == {
            "a": "b",
            **wanted,
        }
        made.close()

    def test_mapped_ids(self, tmp_path) -> None:
        made = overlayfs.OverlaySnapshotter(tmp_path / "o", remap_ids=True)
        mapping = {
            "containerd.io/snapshot/uidmapping": "0:100000:65536",
            "containerd.io/snapshot/gidmapping": "1:5:1,0:200000:65536",
        }
        [given] = made.prepare("k", labels=mapping)
        assert given.options == ("uidmap=0:100000:65536", "gidmap=1:5:1,0:200000:65536", "rw", "rbind")
        found = (tmp_path / "o/snapshots/1/fs").stat()
        assert (found.st_uid, found.st_gid) == (100000, 200000)
        for bad in ("x", "0:1", "1:0:5", ""):
            with pytest.raises(errors.InvalidArgument):
                made.prepare("bad", labels={**mapping, "containerd.io/snapshot/gidmapping": bad})
        made.cleanup()
        assert folders(tmp_path / "o") == ["1"]
        made.close()

    def test_an_upper_folder_belongs_to_whom_its_parents_does(self, root, snapshotter) -> None:
        snapshotter.prepare("k")
        os.chown(root / "snapshots/1/fs", 5, 6)
        snapshotter.commit("c", "k")
        snapshotter.prepare("k2", "c")
        found = (root / "snapshots/2/fs").stat()
        assert (found.st_uid, found.st_gid) == (5, 6)

    def test_it_is_seen_whether_overlay_works(self, tmp_path) -> None:
        overlayfs.supported(tmp_path)
        assert os.listdir(tmp_path) == []


def test_native_mounts(tmp_path) -> None:
    made = native.NativeSnapshotter(tmp_path / "n")
    [given] = made.prepare("k")
    assert (given.type, given.source, given.options) == ("bind", f"{tmp_path}/n/snapshots/1", ("rbind", "rw"))
    made.commit("c", "k")
    [given] = made.view("v", "c")
    assert (given.source, given.options) == (f"{tmp_path}/n/snapshots/1", ("rbind", "ro"))
    made.remove("v")
    made.remove("c")
    assert folders(tmp_path / "n") == []
    made.close()


def test_native_copies_everything(tmp_path) -> None:
    made = native.NativeSnapshotter(tmp_path / "n")
    made.prepare("k")
    one = tmp_path / "n/snapshots/1"
    (one / "f").write_bytes(b"data" * 5000)
    os.link(one / "f", one / "hard")
    os.chown(one / "f", 7, 8)
    os.chmod(one / "f", 0o4751)
    os.setxattr(one / "f", "user.note", b"1")
    os.setxattr(one / "f", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.utime(one / "f", ns=(1, 1_600_000_000_123456789))
    (one / "l").symlink_to("/nowhere")
    os.chown(one / "l", 9, 9, follow_symlinks=False)
    os.mknod(one / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(one / "d-fifo")
    with (one / "sparse").open("wb") as file:
        file.truncate(10 << 20)
        file.seek(5 << 20)
        file.write(b"middle")
    (one / "d/e").mkdir(parents=True)
    (one / "d/e/x").touch()
    os.link(one / "d/e/x", one / "x")
    os.chmod(one / "d", 0o1770)
    os.utime(one / "d", ns=(2, 2))
    made.commit("c", "k")
    made.prepare("k2", "c")
    two = tmp_path / "n/snapshots/2"
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    assert sorted(path.relative_to(two) for path in two.rglob("*")) == names
    for name in names:
        old, new = (one / name).lstat(), (two / name).lstat()
        assert (old.st_mode, old.st_uid, old.st_gid, old.st_size, old.st_mtime_ns, old.st_rdev, old.st_nlink) == (
            (new.st_mode, new.st_uid, new.st_gid, new.st_size, new.st_mtime_ns, new.st_rdev, new.st_nlink)
        ), name
        assert old.st_ino != new.st_ino
        for key in os.listxattr(one / name, follow_symlinks=False):
            assert os.getxattr(two / name, key, follow_symlinks=False) == os.getxattr(
                one / name, key, follow_symlinks=False
            )
        if stat.S_ISREG(old.st_mode):
            assert (two / name).read_bytes() == (one / name).read_bytes()
    assert (two / "f").stat().st_ino == (two / "hard").stat().st_ino
    assert (two / "d/e/x").stat().st_ino == (two / "x").stat().st_ino
    assert (two / "sparse").stat().st_blocks * 512 < 1 << 20
    made.close()


class TestRemoval:
    def test_later(self, root, snapshotter) -> None:
        snapshotter.prepare("k")
        snapshotter.prepare("k2")
        snapshotter.remove("k")
        assert folders(root) == ["1", "2"]
        snapshotter.cleanup()
        assert folders(root) == ["2"]

    def test_at_once(self, tmp_path) -> None:
        made = overlayfs.OverlaySnapshotter(tmp_path / "o", overlayfs.Config(sync_remove=True))
        made.prepare("k")
        made.remove("k")
        assert folders(tmp_path / "o") == []
        made.close()

    def test_what_nobody_owns(self, root, snapshotter) -> None:
        snapshotter.prepare("k")
        (root / "snapshots/new-123/fs").mkdir(parents=True)
        (root / "snapshots/77").mkdir()
        (root / "snapshots/stray").write_text("x")
        (root / "snapshots/link").symlink_to("/etc")
        snapshotter.cleanup()
        assert folders(root) == ["1"]
        assert os.path.exists("/etc/passwd")

    def test_deeper_than_paths_are_long(self, root, snapshotter) -> None:
        snapshotter.prepare("k")
        deep = os.open(root / "snapshots/1/fs", os.O_RDONLY)
        for _ in range(3000):
            os.mkdir("d" * 20, dir_fd=deep)
            below = os.open("d" * 20, os.O_RDONLY, dir_fd=deep)
            os.close(deep)
            deep = below
        os.close(deep)
        with pytest.raises(errors.FailedPrecondition, match="deeper than"):
            snapshotter.commit("c", "k")
        snapshotter.remove("k")
        snapshotter.cleanup()
        assert folders(root) == []

    def test_a_number_is_never_given_twice(self, root, snapshotter) -> None:
        for _ in range(3):
            snapshotter.prepare("k")
            snapshotter.remove("k")
        snapshotter.prepare("k")
        assert folders(root) == ["1", "2", "3", "4"]

    def test_cleaning_up_while_others_prepare(self, root, snapshotter) -> None:
        stop = threading.Event()

        def clean() -> None:
            while not stop.is_set():
                snapshotter.cleanup()

        thread = threading.Thread(target=clean)
        thread.start()
        try:
            for n in range(100):
                snapshotter.prepare(f"k{n}")
        finally:
            stop.set()
            thread.join()
        assert len(folders(root)) == 100
        for n in range(100):
            assert os.path.isdir(snapshotter.mounts(f"k{n}")[0].source)

    def test_what_nobody_owns_while_its_number_is_given(self, root, snapshotter, monkeypatch) -> None:
        """A crash has left the folder, not its record: the number is free."""
        (root / "snapshots/1/fs").mkdir(parents=True)
        real = trees.remove

        def remove(parent, name) -> None:
            monkeypatch.setattr(trees, "remove", real)
            snapshotter.prepare("k")
            real(parent, name)

        monkeypatch.setattr(trees, "remove", remove)
        snapshotter.cleanup()
        assert folders(root) == ["1"]
        assert os.path.isdir(snapshotter.mounts("k")[0].source)


class TestFaults:
    def test_a_failed_prepare_takes_nothing_from_the_next(self, root, snapshotter, monkeypatch) -> None:
        real = snapshotter._discard

        def fail(_folder, _name) -> None:
            monkeypatch.undo()
            monkeypatch.setattr(snapshotter, "_discard", discard)
            raise OSError(28, "No space left on device")

        def discard(names) -> None:
            monkeypatch.undo()
            snapshotter.prepare("next")
            real(names)

        monkeypatch.setattr(snapshotter, "_settle", fail)
        with pytest.raises(errors.ResourceExhausted):
            snapshotter.prepare("k")
        assert folders(root) == ["1"]
        assert os.path.isdir(snapshotter.mounts("next")[0].source)

    def test_nothing_is_left_of_a_prepare_whose_record_cannot_be_kept(self, root, snapshotter, monkeypatch) -> None:
        real = snapshotter._settle

        def settle(folder, name) -> None:
            real(folder, name)
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(snapshotter, "_settle", settle)
            with pytest.raises(errors.ResourceExhausted):
                snapshotter.prepare("k")
        assert folders(root) == []

    def test_nothing_is_left_of_a_failed_prepare(self, root, snapshotter, monkeypatch) -> None:
        with monkeypatch.context() as patch:

            def fail(*_arguments):
                raise OSError(28, "No space left on device")

            patch.setattr(snapshotter, "_fill", fail)
            with pytest.raises(errors.ResourceExhausted, match=f"below {root}: No space left on device; make room"):
                snapshotter.prepare("k")
        assert folders(root) == []
        assert list(snapshotter.walk()) == []
        snapshotter.prepare("k")
        assert folders(root) == ["1"]

    def test_a_folder_left_by_a_crash_gives_way(self, root, snapshotter) -> None:
        (root / "snapshots/1/fs/old").mkdir(parents=True)
        snapshotter.prepare("k")
        assert os.listdir(root / "snapshots/1/fs") == []

    def test_data_is_on_the_disk_before_the_record(self, root, snapshotter, monkeypatch) -> None:
        done = []
        real = files.syncfs

        def syncfs(descriptor):
            done.append(snapshotter.stat("k").kind)
            real(descriptor)

        monkeypatch.setattr(files, "syncfs", syncfs)
        snapshotter.prepare("k")
        snapshotter.commit("c", "k")
        assert done == [snapshots.Kind.ACTIVE]

    def test_a_failed_sync_commits_nothing(self, root, snapshotter, monkeypatch) -> None:
        snapshotter.prepare("k")
        with monkeypatch.context() as patch:

            def syncfs(_descriptor):
                raise OSError(5, "Input/output error")

            patch.setattr(files, "syncfs", syncfs)
            with pytest.raises(errors.DataLoss, match="Input/output"):
                snapshotter.commit("c", "k")
        assert snapshotter.stat("k").kind is snapshots.Kind.ACTIVE
        snapshotter.commit("c", "k")

    def test_snapshots_are_still_there_the_next_time(self, root, snapshotter) -> None:
        snapshotter.prepare("k")
        snapshotter.commit("c", "k", labels={"a": "b"})
        given = snapshotter.prepare("k2", "c")
        again = overlayfs.OverlaySnapshotter(root)
        assert again.mounts("k2") == given
        assert again.stat("c") == snapshotter.stat("c")
        assert again.usage("c") == snapshotter.usage("c")
        again.close()

    def test_damaged_records(self, root, snapshotter) -> None:
        snapshotter.prepare("k")
        snapshotter.close()
        (root / "snapshots.db").write_bytes(b"no database" * 1000)
        with pytest.raises(errors.DataLoss, match=r"snapshots\.db cannot be read"):
            overlayfs.OverlaySnapshotter(root)

    def test_records_of_a_newer_boxship(self, root, snapshotter) -> None:
        snapshotter.close()
        with sqlite3.connect(root / "snapshots.db") as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(errors.DataLoss, match="newer boxship"):
            overlayfs.OverlaySnapshotter(root)


class TestRecords:
    def test_rebase(self, snapshotter) -> None:
        snapshotter.prepare("k1")
        snapshotter.commit("c1", "k1")
        snapshotter.prepare("k2")
        snapshotter.commit("c2", "k2", parent="c1")
        assert snapshotter.stat("c2").parent == "c1"
        snapshotter.prepare("k3", "c1")
        with pytest.raises(errors.InvalidArgument, match="cannot change parent"):
            snapshotter.commit("c3", "k3", parent="c2")
        snapshotter.commit("c3", "k3", parent="c1")
        snapshotter.prepare("k4")
        with pytest.raises(errors.NotFound, match="missing parent"):
            snapshotter.commit("c4", "k4", parent="nobody")
        with pytest.raises(errors.FailedPrecondition, match="not committed"):
            snapshotter.commit("c4", "k4", parent="k4")

    @pytest.mark.parametrize(
        ("act", "kind", "said"),
        [
            (lambda s: s.prepare("k"), errors.AlreadyExists, "failed to create snapshot: snapshot k: already exists"),
            (
                lambda s: s.prepare("x", "none"),
                errors.NotFound,
                'failed to create snapshot: missing parent "none" bucket: not found',
            ),
            (
                lambda s: s.prepare("x", "k"),
                errors.InvalidArgument,
                'failed to create snapshot: parent "k" is not committed snapshot: invalid argument',
            ),
            (lambda s: s.stat("none"), errors.NotFound, "snapshot does not exist: not found"),
            (
                lambda s: s.mounts("c"),
                errors.FailedPrecondition,
                "failed to get active mount: requested snapshot c not active or view: failed precondition",
            ),
            (
                lambda s: s.commit("c", "k"),
                errors.AlreadyExists,
                "failed to commit snapshot k: committed snapshot c: already exists",
            ),
            (
                lambda s: s.commit("x", "c"),
                errors.FailedPrecondition,
                'failed to commit snapshot c: snapshot "c" is not active: failed precondition',
            ),
            (
                lambda s: s.remove("c"),
                errors.FailedPrecondition,
                "failed to remove snapshot c: cannot remove snapshot with child: failed precondition",
            ),
            (lambda s: s.remove("none"), errors.NotFound, "failed to remove snapshot none: snapshot none: not found"),
            (
                lambda s: s.update(snapshots.Info(name="k", kind=snapshots.Kind.ACTIVE), ["kind"]),
                errors.InvalidArgument,
                'cannot update "kind" field on snapshot "k": invalid argument',
            ),
        ],
    )
    def test_errors_speak_as_the_originals(self, snapshotter, act, kind, said) -> None:
        snapshotter.prepare("c-k")
        snapshotter.commit("c", "c-k")
        snapshotter.prepare("child", "c")
        snapshotter.prepare("k")
        with pytest.raises(kind) as caught:
            act(snapshotter)
        assert str(caught.value) == said

    def test_a_failed_transaction_leaves_nothing(self, tmp_path) -> None:
        kept = records.Records(tmp_path / "r.db")

        def fail() -> None:
            with kept.writing():
                kept.create(kept.draft(snapshots.Kind.ACTIVE, "k", "", {}))
                raise ValueError("stop")

        with pytest.raises(ValueError, match="stop"):
            fail()
        with pytest.raises(errors.NotFound):
            kept.get("k")
        kept.close()

    def test_a_parent_that_goes_meanwhile(self, snapshotter) -> None:
        snapshotter.prepare("k")
        snapshotter.commit("c", "k")
        draft = snapshotter._records.draft(snapshots.Kind.ACTIVE, "x", "c", {})
        snapshotter.remove("c")
        with pytest.raises(errors.NotFound, match="missing parent"), snapshotter._records.writing():
            snapshotter._records.create(draft)

    def test_two_want_one_key(self, snapshotter) -> None:
        drafts = [snapshotter._records.draft(snapshots.Kind.ACTIVE, "x", "", {}) for _ in range(2)]
        with snapshotter._records.writing():
            snapshotter._records.create(drafts[0])
        with pytest.raises(errors.AlreadyExists), snapshotter._records.writing():
            snapshotter._records.create(drafts[1])

    def test_a_full_disk(self, tmp_path) -> None:
        kept = records.Records(tmp_path / "r.db")
        with kept.writing():
            kept._writer.execute("PRAGMA max_page_count = 10")

        def fill() -> None:
            for n in range(1000):
                with kept.writing():
                    kept.create(kept.draft(snapshots.Kind.ACTIVE, f"{n}" * 500, "", {}))

        with pytest.raises(errors.ResourceExhausted, match="full"):
            fill()
        kept.close()

    def test_many_threads(self, snapshotter) -> None:
        failures = []

        def work(number: int) -> None:
            try:
                for n in range(10):
                    key = f"{number}-{n}"
                    snapshotter.prepare(key)
                    snapshotter.mounts(key)
                    snapshotter.commit(f"c{key}", key)
                    snapshotter.view(f"v{key}", f"c{key}")
                    snapshotter.remove(f"v{key}")
                    snapshotter.remove(f"c{key}")
            except Exception as exc:
                failures.append(exc)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert list(snapshotter.walk()) == []


def test_usage_counts_each_inode_once(tmp_path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"x" * 10_000)
    os.link(tmp_path / "d/f", tmp_path / "link")
    (tmp_path / "s").symlink_to("/etc")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 30)
    expected = sum((tmp_path / name).lstat().st_blocks for name in (".", "d", "d/f", "s", "hole")) * 512
    assert trees.usage(str(tmp_path)) == snapshots.Usage(size=expected, inodes=5)


def test_removing_does_not_follow(tmp_path) -> None:
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep/f").touch()
    (tmp_path / "go/d").mkdir(parents=True)
    (tmp_path / "go/link").symlink_to(tmp_path / "keep")
    (tmp_path / "go/d/up").symlink_to("../..")
    (tmp_path / "plain").symlink_to(tmp_path / "keep")
    folder = os.open(tmp_path, os.O_RDONLY)
    for name in ("go", "plain", "nothing"):
        linux_trees.remove(folder, name)
    os.close(folder)
    assert os.listdir(tmp_path) == ["keep"]
    assert (tmp_path / "keep/f").exists()
