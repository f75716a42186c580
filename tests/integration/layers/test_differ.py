"""Layers applied to snapshots and made of them, in the process of the zygote and in a thread."""

import contextlib
import gzip
import hashlib
import io
import os
import select
import shutil
import socket
import stat
import tarfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boxship.core import content, mounts, tar
from boxship.linux import mounts as kernel
from boxship.plugins.content import store as local
from boxship.plugins.layers import compressors, differ
from boxship.plugins.snapshots import native, overlayfs
from boxship.terms import errors, oci
from boxship.testing import content as blobs
from boxship.testing import layers
from boxship.testing.snapshots import mounted
from boxship.zygote import client

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def zygote():
    made = client.Zygote({"layers": "boxship.plugins.layers.worker:run"})
    yield made
    made.close()


@pytest.fixture(params=["process", "thread"])
def spawn(request):
    if request.param == "thread":
        return None
    zygote = request.getfixturevalue("zygote")
    return lambda arguments, fds: zygote.spawn("layers", arguments, fds)


@pytest.fixture
def store(tmp_path):
    return KeepsLabels(tmp_path / "content")


class KeepsLabels(local.LocalStore):
    """A store with labels, as the book makes of it."""

    def __init__(self, root) -> None:
        super().__init__(root)
        self.labels = {}

    def info(self, digest):
        info = super().info(digest)
        return content.Info(digest=info.digest, size=info.size, labels=self.labels.get(digest, {}))

    def update(self, info, paths=None):
        self.labels.setdefault(info.digest, {}).update(info.labels)
        return self.info(info.digest)


@pytest.fixture
def snapshotter(tmp_path):
    made = overlayfs.OverlaySnapshotter(tmp_path / "snapshots")
    yield made
    made.close()


@pytest.fixture
def layer_differ(store, spawn):
    return differ.LayerDiffer(store, spawn)


def put(store, data, media_type=oci.LAYER):
    with contextlib.suppress(errors.AlreadyExists):
        blobs.put(store, data)
    return oci.Descriptor(media_type=media_type, digest=blobs.digest_of(data), size=len(data))


def sha256(data) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tree(root, *, times=True):
    """Everything of a tree that a layer carries."""
    found = {}
    inodes = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        kind = stat.S_IFMT(about.st_mode)
        data = path.read_bytes() if stat.S_ISREG(kind) else os.readlink(path) if stat.S_ISLNK(kind) else about.st_rdev
        same = inodes.setdefault(about.st_ino, str(path.relative_to(root)))
        time = about.st_mtime_ns // 10**9 if times and not stat.S_ISDIR(kind) else 0
        found[str(path.relative_to(root))] = (oct(about.st_mode), about.st_uid, about.st_gid, data, same, time)
    return found


class TestApply:
    @pytest.mark.parametrize("media_type", [oci.LAYER, oci.LAYER_GZIP, oci.LAYER_ZSTD, oci.DOCKER_LAYER_GZIP])
    def test_the_answer_names_the_uncompressed_stream(
        self, store, layer_differ, snapshotter, tmp_path, media_type
    ) -> None:
        plain = layers.archive([layers.file("etc/f", b"x" * 100_000), layers.folder("d")]) + b"trailing bytes" * 100
        stream = compressors.compressor(media_type)
        descriptor = put(store, stream.compress(plain) + stream.flush(), media_type)
        given = snapshotter.prepare("k")
        answer = layer_differ.apply(descriptor, given, sync_fs=True)
        assert (answer.media_type, answer.digest, answer.size) == (oci.LAYER, sha256(plain), len(plain))
        with mounted(given, tmp_path / "work") as root:
            assert (root / "etc/f").read_bytes() == b"x" * 100_000
            assert stat.S_IMODE((root / "etc").stat().st_mode) == 0o755

    def test_layers_on_layers(self, store, layer_differ, snapshotter, tmp_path) -> None:
        parent = ""
        stack = [
            [
                layers.file("a/one", b"1", mode=0o600),
                layers.file("a/two"),
                layers.folder("b", mode=0o1777),
                layers.file("b/x"),
            ],
            [layers.file("a/.wh.one", b""), layers.file("b/.wh..wh..opq", b""), layers.file("b/y")],
            [layers.file(".wh.a", b""), layers.file("c", b"3")],
        ]
        for n, members in enumerate(stack):
            given = snapshotter.prepare(f"k{n}", parent)
            layer_differ.apply(put(store, layers.archive(members)), given)
            snapshotter.commit(f"c{n}", f"k{n}")
            parent = f"c{n}"
        with mounted(snapshotter.view("v1", "c1"), tmp_path / "work") as root:
            assert sorted(tree(root)) == ["a", "a/two", "b", "b/y"]
            assert stat.S_IMODE((root / "b").stat().st_mode) == 0o1777
        with mounted(snapshotter.view("v2", "c2"), tmp_path / "work") as root:
            assert sorted(tree(root)) == ["b", "b/y", "c"]

    def test_mounts_that_must_be_mounted(self, store, layer_differ, tmp_path) -> None:
        image = tmp_path / "image"
        image.mkdir()
        given = [
            mounts.Mount(type="bind", source=str(image), options=("rbind", "rw")),
            mounts.Mount(type="tmpfs", source="tmpfs", target="", options=("size=1m",)),
        ]
        (image / "old").write_text("x")
        with pytest.raises(errors.ResourceExhausted, match="No space left"):
            layer_differ.apply(put(store, layers.archive([layers.file("f", b"x" * (2 << 20))])), given)
        assert os.listdir(image) == ["old"]

    @pytest.mark.parametrize(
        ("data", "kind", "said"),
        [
            (b"no archive" * 100, errors.InvalidArgument, "archive/tar"),
            (gzip.compress(layers.archive([layers.file("f")]), mtime=0)[:-3], errors.InvalidArgument, "gzip"),
            (layers.archive([layers.file("f", b"x" * 5000)])[:3000], errors.InvalidArgument, "unexpected EOF"),
            (layers.archive([layers.file("f"), layers.file("f/g")]), errors.InvalidArgument, "failed to apply"),
            (b"BZh9" + bytes(100), errors.NotImplemented, "bzip2"),
        ],
    )
    def test_errors_keep_their_class(self, store, layer_differ, snapshotter, data, kind, said) -> None:
        with pytest.raises(kind, match=said):
            layer_differ.apply(put(store, data), snapshotter.prepare("k"))

    def test_what_is_not_there(self, layer_differ, snapshotter) -> None:
        with pytest.raises(errors.NotFound):
            layer_differ.apply(oci.Descriptor(media_type=oci.LAYER, digest=sha256(b""), size=0), [])

    def test_encrypted_layers(self, store, layer_differ, snapshotter) -> None:
        descriptor = put(store, b"x", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
        with pytest.raises(errors.NotImplemented, match="no processor for media-type"):
            layer_differ.apply(descriptor, snapshotter.prepare("k"))

    def test_a_reader_without_a_descriptor(self, store, spawn, snapshotter) -> None:
        class Reader:
            def __init__(self, inner) -> None:
                self.inner = inner
                self.size = inner.size
                self.read_at = inner.read_at
                self.close = inner.close

            def __enter__(self):
                return self

            def __exit__(self, *exc):
                self.close()

        class Remote:
            def reader(self, descriptor):
                return Reader(store.reader(descriptor))

        data = layers.archive([layers.file("f", os.urandom(3 << 20))])
        answer = differ.LayerDiffer(Remote(), spawn).apply(put(store, data), snapshotter.prepare("k"))
        assert answer.digest == sha256(data)

    def test_a_worker_that_dies_is_noticed(self, store, snapshotter) -> None:
        data = layers.archive([layers.file("f")])
        with pytest.raises(errors.ResourceExhausted, match="ended before"):
            differ.LayerDiffer(store, lambda _arguments, _fds: None).apply(put(store, data), snapshotter.prepare("k"))

    def test_a_worker_leaves_when_nobody_waits(self, zygote, tmp_path) -> None:
        ours, theirs = os.pipe()
        blob, end = os.pipe()
        root = os.open(tmp_path, os.O_RDONLY)
        arguments = {"do": "apply", "overlay": "", "lowers": [], "sync": False}
        pid = zygote.spawn("layers", arguments, [theirs, blob, root])
        pidfd = os.pidfd_open(pid)
        for descriptor in (theirs, blob, root):
            os.close(descriptor)
        assert not select.select([pidfd], [], [], 0.2)[0]  # it waits for its layer
        os.close(ours)
        assert select.select([pidfd], [], [], 10)[0]
        os.close(end)
        os.close(pidfd)

    @pytest.mark.slow
    def test_a_bomb_ends_at_the_disk(self, store, zygote, tmp_path) -> None:
        small = tmp_path / "small"
        small.mkdir()
        kernel.mount("tmpfs", str(small), "tmpfs", 0, "size=8m")
        try:
            stream = zlib.compressobj(9, zlib.DEFLATED, 31)
            entry = tar.Entry(tar.Kind.FILE, b"zeros", size=1 << 30)
            data = stream.compress(layers.tar_output.header(entry))
            data += b"".join(stream.compress(bytes(1 << 20)) for _ in range(1 << 10)) + stream.flush()
            bound = differ.LayerDiffer(store, lambda arguments, fds: zygote.spawn("layers", arguments, fds))
            with pytest.raises(errors.ResourceExhausted, match="No space left"):
                bound.apply(put(store, data), [mounts.Mount(type="bind", source=str(small), options=("rw",))])
        finally:
            kernel.umount_all(str(small), kernel.MNT_DETACH)


def members_of(store, descriptor):
    data = content.read_blob(store, descriptor, 1 << 30)
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        return [(info.name, info) for info in file]


class TestCompare:
    @pytest.fixture
    def base(self, store, snapshotter, spawn):
        """A committed snapshot with a bit of everything."""
        members = [
            layers.folder("d", mode=0o755),
            layers.file("d/f", b"data", mode=0o640, uid=7),
            layers.file("d/g", b"data"),
            layers.folder("e/sub"),
            layers.file("e/sub/x"),
            layers.symlink("l", "d/f"),
            layers.link("h", "d/f", mode=0o640, uid=7),
        ]
        differ.LayerDiffer(store, spawn).apply(put(store, layers.archive(members)), snapshotter.prepare("base-k"))
        snapshotter.commit("base", "base-k")
        return "base"

    def compared(self, layer_differ, snapshotter, base, upper, **options):
        view = snapshotter.view(f"{upper[0].source}-{len(list(snapshotter.walk()))}", base)
        return layer_differ.compare(view, upper, **options)

    def test_nothing_changed(self, store, layer_differ, snapshotter, base) -> None:
        made = self.compared(layer_differ, snapshotter, base, snapshotter.prepare("k", base))
        assert members_of(store, made) == []
        assert made.media_type == oci.LAYER_GZIP

    def test_changes(self, store, layer_differ, snapshotter, base, tmp_path) -> None:
        given = snapshotter.prepare("k", base)
        with mounted(given, tmp_path / "work") as root:
            (root / "d/f").unlink()
            (root / "d/g").write_text("other")
            (root / "d/new").write_text("new")
            os.setxattr(
                root / "d/new", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000")
            )
            (root / "e/sub/x").unlink()
            (root / "e/sub").rmdir()
            (root / "l").unlink()
            (root / "l").mkdir()
            os.mkfifo(root / "l/fifo")
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(str(root / "l/socket"))
            made = self.compared(layer_differ, snapshotter, base, given)
        names = [name for name, _ in members_of(store, made)]
        assert names == ["d", "d/.wh.f", "d/g", "d/new", "e", "e/.wh.sub", "l", "l/fifo"]
        found = dict(members_of(store, made))
        assert found["d/.wh.f"].size == found["d/.wh.f"].mtime == 0
        assert "SCHILY.xattr.security.capability" in found["d/new"].pax_headers
        assert found["d/g"].uname == ""

    def test_an_opaque_folder_names_what_it_hides(self, store, layer_differ, snapshotter, base) -> None:
        given = snapshotter.prepare("k", base)
        layer_differ.apply(
            put(store, layers.archive([layers.folder("d"), layers.file("d/.wh..wh..opq", b""), layers.file("d/only")])),
            given,
        )
        made = self.compared(layer_differ, snapshotter, base, given)
        assert [name for name, _ in members_of(store, made)] == ["d", "d/.wh.f", "d/.wh.g", "d/only"]

    def test_the_quick_way_gives_the_same_bytes(self, store, layer_differ, snapshotter, base, tmp_path) -> None:
        given = snapshotter.prepare("k", base)
        with mounted(given, tmp_path / "work") as root:
            (root / "d/f").unlink()
            (root / "e/sub/x").rename(root / "moved")
            (root / "d").chmod(0o700)
            (root / "h").write_text("longer than before")
            os.link(root / "h", root / "hh")
            quick = self.compared(layer_differ, snapshotter, base, given)
            slow = layer_differ.compare(
                snapshotter.view("v2", base), [mounts.Mount(type="bind", source=str(root), options=("rbind", "ro"))]
            )
        assert members(store, quick) == members(store, slow)
        assert quick.digest == slow.digest

    def test_from_nothing(self, store, layer_differ, snapshotter, base) -> None:
        made = layer_differ.compare([], snapshotter.view("v", base), media_type=oci.LAYER, ref="chosen")
        found = dict(members_of(store, made))
        assert list(found) == ["d", "d/f", "d/g", "e", "e/sub", "e/sub/x", "h", "l"]
        assert found["h"].islnk()
        assert found["h"].linkname == "d/f"
        assert store.list_statuses() == []

    def test_times_are_clamped(self, store, layer_differ, snapshotter, base) -> None:
        made = layer_differ.compare([], snapshotter.view("v", base), source_date_epoch=1_600_000_000 * 10**9)
        assert {info.mtime for _, info in members_of(store, made)} == {1_600_000_000}

    @pytest.mark.parametrize("media_type", [oci.LAYER, oci.LAYER_GZIP, oci.LAYER_ZSTD])
    def test_media_types(self, store, layer_differ, snapshotter, base, media_type) -> None:
        view = snapshotter.view("v", base)
        one = layer_differ.compare([], view, media_type=media_type, labels={"x": "1"})
        assert layer_differ.compare([], view, media_type=media_type) == one
        assert one.media_type == media_type
        given = snapshotter.prepare("again")
        again = layer_differ.apply(one, given)
        labelled = store.labels.get(one.digest, {}).get("containerd.io/uncompressed")
        assert labelled == (None if media_type == oci.LAYER else again.digest)

    def test_unknown_media_types(self, layer_differ, snapshotter, base) -> None:
        with pytest.raises(errors.NotImplemented, match="unsupported diff media type: text/plain"):
            layer_differ.compare([], snapshotter.view("v", base), media_type="text/plain")

    def test_a_failure_leaves_no_ingest(self, store, layer_differ, snapshotter, base, tmp_path) -> None:
        given = snapshotter.prepare("k", base)
        with mounted(given, tmp_path / "work") as root:
            (root / ".wh.evil").write_text("x")
        with pytest.raises(errors.InvalidArgument, match="cannot have a file of this name"):
            self.compared(layer_differ, snapshotter, base, given)
        assert store.list_statuses() == []


def members(store, descriptor):
    return [(name, info.get_info(), info.pax_headers) for name, info in members_of(store, descriptor)]


NAMES = st.sampled_from(["a", "b", "c", "a/x", "a/y", "b/x", "b/x/deep", "c/z", "\xe4 \n"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("file"), NAMES, st.binary(max_size=20), st.sampled_from([0o644, 0o4755, 0o600])),
        st.tuples(st.just("folder"), NAMES, st.sampled_from([0o755, 0o1777])),
        st.tuples(st.just("link"), NAMES, st.sampled_from(["a", "../b", "/etc"])),
        st.tuples(st.just("hard"), NAMES, NAMES),
        st.tuples(st.just("remove"), NAMES),
        st.tuples(st.just("rename"), NAMES, NAMES),
        st.tuples(st.just("attribute"), NAMES),
    ),
    max_size=14,
)


def act(root, steps) -> None:
    for what, name, *rest in steps:
        path = root / name
        with contextlib.suppress(OSError):
            if (
                path.parent.is_symlink() or (root / rest[0]).parent.is_symlink()
                if what in {"hard", "rename"}
                else path.parent.is_symlink()
            ):
                continue
            if what == "file":
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink():
                    path.unlink()
                path.write_bytes(rest[0])
                path.chmod(rest[1])
            elif what == "folder":
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(rest[0])
            elif what == "link":
                path.symlink_to(rest[0])
            elif what == "hard":
                os.link(root / rest[0], path, follow_symlinks=False)
            elif what == "rename":
                os.rename(root / rest[0], path)
            elif what == "attribute":
                if not path.is_symlink():
                    os.setxattr(path, "trusted.skip", b"")
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS, STEPS)
@pytest.mark.parametrize("kind", [overlayfs.OverlaySnapshotter, native.NativeSnapshotter])
def test_what_is_compared_and_applied_is_the_same_again(tmp_path_factory, kind, first, second) -> None:
    tmp_path = tmp_path_factory.mktemp("round")
    store = KeepsLabels(tmp_path / "content")
    snapshotter = kind(tmp_path / "snapshots")
    bound = differ.LayerDiffer(store)
    work = tmp_path / "work"
    with mounted(snapshotter.prepare("k1"), work) as root:
        act(root, first)
    snapshotter.commit("c1", "k1")
    given = snapshotter.prepare("k2", "c1")
    with mounted(given, work) as root:
        act(root, second)
        wanted = tree(root)
    made = bound.compare(snapshotter.view("v1", "c1"), given)
    again = snapshotter.prepare("k3", "c1")
    bound.apply(made, again)
    with mounted(again, work) as root:
        found = tree(root)
    for path, about in wanted.items():
        assert found[path][:4] == about[:4]
        assert found[path][5] == about[5]
    assert set(found) == set(wanted)
    snapshotter.close()
