import errno
import io
import os
import stat

import pytest

from boxship.core import tar
from boxship.plugins.layers import applying
from boxship.terms import errors
from boxship.testing import layers

pytestmark = pytest.mark.root
TIME = 1_700_000_000 * 10**9


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def apply(root, *members, **options):
    return apply_bytes(root, layers.archive(list(members)), **options)


def apply_bytes(root, data, **options):
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        stream = io.BytesIO(data)
        applier = applying.Applier(descriptor, applying.Options(**options))
        applier.run(tar.Reader(stream.read))
        return applier
    finally:
        os.close(descriptor)


def listed(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_everything_that_a_file_is(root, exact, umask) -> None:
    old = os.umask(0 if exact else umask)
    try:
        apply(
            root,
            layers.folder("d", mode=0o2750, uid=10, gid=20, mtime=TIME + 5),
            layers.file("d/f", b"data", mode=0o4711, uid=1000, gid=1001, mtime=TIME + 123_456_789),
            layers.file("plain", b"", mode=0o666),
            layers.symlink("l", "d/f", uid=7, gid=8),
            layers.link("d/h", "d/f", mode=0o4711, uid=1000, gid=1001, mtime=TIME + 123_456_789),
            layers.node(tar.Kind.FIFO, "fifo", mode=0o622),
            layers.node(tar.Kind.CHARACTER, "null", device=(1, 3), mode=0o666),
            layers.node(tar.Kind.BLOCK, "sda", device=(8, 300), mode=0o660, gid=6),
            exact=exact,
        )
    finally:
        os.umask(old)

    def about(name):
        found = (root / name).lstat()
        return stat.filemode(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns

    assert about("d") == ("drwxr-s---", 10, 20, TIME + 5)
    assert about("d/f") == ("-rws--x--x", 1000, 1001, TIME + 123_456_789)
    assert (root / "d/f").read_bytes() == b"data"
    assert about("plain") == ("-rw-rw-rw-", 0, 0, TIME)
    assert about("l") == ("lrwxrwxrwx", 7, 8, TIME)
    assert (root / "d/h").stat().st_ino == (root / "d/f").stat().st_ino
    assert about("fifo") == ("prw--w--w-", 0, 0, TIME)
    assert about("null") == ("crw-rw-rw-", 0, 0, TIME)
    assert (root / "null").stat().st_rdev == os.makedev(1, 3)
    assert about("sda")[0] == "brw-rw----"
    assert (root / "sda").stat().st_rdev == os.makedev(8, 300)


def test_folders_have_their_own_times_at_the_end(root) -> None:
    apply(
        root,
        layers.folder("a", mtime=TIME + 1),
        layers.folder("a/b", mtime=TIME + 2),
        layers.file("a/b/f"),
        layers.file("a/g"),
        layers.folder("gone"),
        layers.symlink("gone", "a"),
        layers.folder("swept/below", mtime=5),
        layers.file(".wh.swept", b""),
    )
    assert (root / "a").stat().st_mtime_ns == TIME + 1
    assert (root / "a/b").stat().st_mtime_ns == TIME + 2
    assert not (root / "swept").exists()


def test_times_out_of_bounds_become_the_epoch(root) -> None:
    apply(root, layers.file("early", mtime=-1), layers.file("late", mtime=1 << 63), layers.folder("d", mtime=-(10**20)))
    for name in ("early", "late", "d"):
        assert (root / name).stat().st_mtime_ns == 0


def test_the_last_one_wins_and_folders_merge(root) -> None:
    (root / "d").mkdir()
    (root / "d/old").write_text("old")
    (root / "x").mkdir()
    (root / "x/old").write_text("old")
    apply(
        root,
        layers.folder("d", mode=0o711),
        layers.file("d/new"),
        layers.file("x", b"a file now"),
        layers.file("f", b"1"),
        layers.file("f", b"22"),
        layers.symlink("s", "f"),
        layers.file("s", b"no link any more"),
    )
    assert listed(root) == ["d", "d/new", "d/old", "f", "s", "x"]
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o711
    assert (root / "f").read_bytes() == b"22"
    assert (root / "s").read_bytes() == b"no link any more"
    assert not (root / "s").is_symlink()


def test_old_hard_links_are_not_written_through(root) -> None:
    (root / "one").write_text("old")
    os.link(root / "one", root / "two")
    apply(root, layers.file("one", b"new"))
    assert (root / "two").read_text() == "old"


def test_links_lead_where_they_lead_inside(root) -> None:
    apply(
        root,
        layers.folder("usr/lib"),
        layers.symlink("lib", "/usr/lib"),
        layers.file("lib/a", b"a"),
        layers.symlink("usr/up", "../../../usr"),
        layers.file("usr/up/b", b"b"),
        layers.symlink("later", "not/yet"),
        layers.file("later/c", b"c"),
    )
    assert (root / "usr/lib/a").read_bytes() == b"a"
    assert (root / "usr/b").read_bytes() == b"b"
    assert (root / "not/yet/c").read_bytes() == b"c"


def test_a_kept_folder_is_forgotten_when_a_link_takes_its_place(root) -> None:
    apply(
        root,
        layers.folder("one"),
        layers.folder("two"),
        layers.symlink("l", "one"),
        layers.file("l/first"),
        layers.symlink("l", "two"),
        layers.file("l/second"),
        layers.folder("one/sub"),
        layers.file("one/sub/x"),
        layers.file("one", b"file"),
        layers.folder("one"),
        layers.file("one/sub/y"),
    )
    assert listed(root) == ["l", "one", "one/sub", "one/sub/y", "two", "two/second"]


class TestWhiteoutsAsRemovals:
    @pytest.fixture(autouse=True)
    def _old(self, root):
        for name in ("d/old", "d/sub/old", "f"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("old")

    def test_one(self, root) -> None:
        apply(root, layers.file("d/.wh.old", b""), layers.file(".wh.f", b""), layers.file(".wh.nothing", b""))
        assert listed(root) == ["d", "d/sub", "d/sub/old"]

    @pytest.mark.parametrize("when", [0, 1, 2, 3])
    def test_an_opaque_folder_keeps_what_this_layer_brings(self, root, when) -> None:
        members = [layers.folder("d"), layers.file("d/new"), layers.file("d/sub/new")]
        members.insert(when, layers.file("d/.wh..wh..opq", b""))
        apply(root, *members)
        assert listed(root) == ["d", "d/new", "d/sub", "d/sub/new", "f"]

    def test_removal_does_not_follow(self, root, tmp_path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/file").write_text("x")
        (root / "d/link").symlink_to(tmp_path / "outside")
        apply(root, layers.file("d/.wh..wh..opq", b""))
        assert listed(root) == ["d", "f"]
        assert (tmp_path / "outside/file").exists()


class TestWhiteoutsOfOverlay:
    def test_one(self, root) -> None:
        apply(root, layers.file("d/.wh.old", b"", uid=5, gid=6), overlay="trusted.")
        found = (root / "d/old").lstat()
        assert stat.S_ISCHR(found.st_mode)
        assert (found.st_rdev, found.st_uid, found.st_gid) == (0, 5, 6)

    def test_again_and_over_what_this_layer_brought(self, root) -> None:
        apply(
            root,
            layers.file("f"),
            layers.file(".wh.f", b""),
            layers.file(".wh.f", b""),
            layers.file(".wh.g", b""),
            layers.file("g"),
            overlay="trusted.",
        )
        assert stat.S_ISCHR((root / "f").lstat().st_mode)
        assert (root / "g").read_bytes() == b"new"

    @pytest.mark.parametrize("prefix", ["trusted.", "user."])
    def test_opaque(self, root, prefix) -> None:
        try:
            os.setxattr(root, f"{prefix}probe", b"1")
        except OSError as exc:
            if exc.errno == errno.ENOTSUP:
                pytest.skip(f"no {prefix}* attributes here")
            raise
        apply(root, layers.file("d/new"), layers.file("d/.wh..wh..opq", b""), overlay=prefix)
        assert os.getxattr(root / "d", f"{prefix}overlay.opaque") == b"y"
        assert listed(root) == ["d", "d/new"]

    def test_a_folder_after_a_whiteout_starts_empty(self, root) -> None:
        apply(root, layers.file(".wh.d", b""), layers.folder("d"), layers.file("d/f"), overlay="trusted.")
        assert os.getxattr(root / "d", "trusted.overlay.opaque") == b"y"

    def test_folders_made_on_the_way_are_like_those_they_hide(self, root, tmp_path) -> None:
        newer, older = tmp_path / "newer", tmp_path / "older"
        (older / "a/b").mkdir(parents=True)
        (newer / "a").mkdir(parents=True)
        os.chmod(older / "a/b", 0o1777)
        os.chmod(newer / "a", 0o700)
        os.chown(newer / "a", 33, 44)
        os.setxattr(newer / "a", "trusted.mark", b"1")
        os.setxattr(newer / "a", "trusted.overlay.opaque", b"y")
        apply(root, layers.file("a/b/c/f"), overlay="trusted.", lowers=(str(newer), str(older)))
        found = (root / "a").stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o700, 33, 44)
        assert os.listxattr(root / "a") == ["trusted.mark"]
        assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o1777
        assert stat.S_IMODE((root / "a/b/c").stat().st_mode) == 0o755


def test_attributes(root) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    applier = apply(
        root,
        layers.file("f", xattrs={b"security.capability": capability, b"user.a": b"1"}, uid=5),
        layers.link("h", "f", uid=5, mode=0o644),
        layers.folder("d", xattrs={b"user.b": b"2", b"trusted.overlay.opaque": b"y", b"user.overlay.redirect": b"/"}),
        layers.symlink("l", "f", xattrs={b"user.c": b"3"}),
        layers.file("s", xattrs={b"security.selinux": b"evil"}),
    )
    assert os.getxattr(root / "f", "security.capability") == capability
    assert os.getxattr(root / "f", "user.a") == b"1"
    assert os.listxattr(root / "d") == ["user.b"]
    assert os.listxattr(root / "s") == []
    assert len(applier.warnings) == 4


def test_an_access_list_of_a_folder_does_not_change_what_is_made_in_it(root) -> None:
    acl = bytes.fromhex("02000000" + "01000700ffffffff" + "04000500ffffffff" + "20000500ffffffff")
    apply(
        root,
        layers.folder("d", xattrs={b"system.posix_acl_default": acl}),
        layers.file("d/f", mode=0o666),
        layers.folder("d/e", mode=0o777),
        exact=True,
    )
    assert stat.S_IMODE((root / "d/f").stat().st_mode) == 0o666
    assert stat.S_IMODE((root / "d/e").stat().st_mode) == 0o777


def test_a_sparse_file_stays_sparse(root) -> None:
    entry, _ = layers.file("f")
    records = b"".join(
        b"%d %s=%s\n" % (len(key) + len(value) + 3 + 2, key, value)
        for key, value in ((b"GNU.sparse.map", b"1048576,3,9437184,2"), (b"GNU.sparse.size", b"10485760"))
    )
    header = layers.tar_output._block(tar.Entry(tar.Kind.FILE, b"x", size=len(records)), (b"", b"x"), flag=b"x")
    data = header + records + bytes(-len(records) % 512)
    data += layers.tar_output.header(entry._replace(size=5)) + b"abcde" + bytes(507)
    apply_bytes(root, data)
    with (root / "f").open("rb") as file:
        content = file.read()
    assert len(content) == 10 << 20
    assert content.replace(b"\0", b"") == b"abcde"
    assert content[1 << 20 :][:3] == b"abc"
    assert (root / "f").stat().st_blocks * 512 < 100_000


def test_limits(root) -> None:
    with pytest.raises(errors.ResourceExhausted, match="more than 10 bytes"):
        apply(root, layers.file("a", b"x" * 6), layers.file("b", b"x" * 6), max_size=10)
    with pytest.raises(errors.ResourceExhausted, match="more than 2 entries"):
        apply(root, *(layers.file(str(n)) for n in range(3)), max_entries=2)


def test_a_hole_beyond_all_bounds(root) -> None:
    records = b"".join(
        layers.tar_output._record(key, value)
        for key, value in ((b"GNU.sparse.map", b""), (b"GNU.sparse.size", b"%d" % ((1 << 63) - 1)))
    )
    header = layers.tar_output._block(tar.Entry(tar.Kind.FILE, b"x", size=len(records)), (b"", b"x"), flag=b"x")
    data = header + records + bytes(-len(records) % 512) + layers.tar_output.header(tar.Entry(tar.Kind.FILE, b"f"))
    with pytest.raises(errors.ResourceExhausted):
        apply_bytes(root, data)


def test_unknown_entries_are_refused(root) -> None:
    data = bytearray(layers.archive([layers.file("f", b"")]))
    data[156:157] = b"Z"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    with pytest.raises(errors.InvalidArgument, match="unhandled tar header type"):
        apply_bytes(root, bytes(data))


def test_faults_name_the_entry_and_the_cause(root) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"failed to apply 'f/g': .*Not a directory"):
        apply(root, layers.file("f"), layers.file("f/g"))


def test_a_full_disk(root, monkeypatch) -> None:
    def write(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(
        errors.ResourceExhausted, match=f"failed to apply 'f' below {root}: No space left on device; make room"
    ):
        apply(root, layers.file("f"))
