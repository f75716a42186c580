"""The same layers, applied by the original and by us, become the same files; so do their differences become layers."""

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from boxship.core import tar
from boxship.plugins.content import store as local
from boxship.plugins.layers import differ
from boxship.plugins.snapshots import overlayfs
from boxship.terms import oci
from boxship.testing import content as blobs
from boxship.testing import layers

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("containerd") or not shutil.which("ctr"), reason="containerd is not installed"),
]

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
T = 1_600_000_000 * 10**9

STACK = [
    [
        layers.folder("./", mode=0o700),
        layers.folder("etc", mtime=T + 1),
        layers.file("etc/passwd", b"root\n", mode=0o644, uid=3, gid=4, mtime=T + 123456789),
        layers.file("./usr/bin/su", b"\x7fELF" * 1000, mode=0o4755),
        layers.folder("usr/share/doc/deep", mode=0o2775, gid=50, mtime=T + 2),
        layers.symlink("bin", "usr/bin", mtime=T + 3),
        layers.link("usr/bin/sudo", "usr/bin/su", mode=0o4755),
        layers.file("bin/through", b"a link", mode=0o755),
        layers.symlink("absolute", "/etc/passwd"),
        layers.link("hard-link", "absolute", mode=0o777),
        layers.node(tar.Kind.FIFO, "run/fifo", mode=0o620, uid=9),
        layers.node(tar.Kind.CHARACTER, "dev/null", device=(1, 3), mode=0o666),
        layers.node(tar.Kind.BLOCK, "dev/sda1", device=(8, 1), mode=0o660, gid=6),
        layers.file("cap", b"x", xattrs={b"security.capability": CAPABILITY, b"user.note": b"\x00\xff"}, mode=0o755),
        layers.folder("tmp", mode=0o1777),
        layers.file("n" * 255, b""),
        layers.file("/".join("abcdefghij" * 12), b"long path"),
        layers.file("\u00e9t\u00e9/\n tab\t", b"strange"),
        layers.file(b"latin-\xe9", b"bytes"),
        layers.file("old", b"before 1970", mtime=-5 * 10**9),
        layers.file("big-owner", b"", uid=2**31, gid=4_000_000_000),
        layers.file("twice", b"first", mode=0o600),
        layers.file("twice", b"second", mode=0o640),
        layers.folder("was-folder"),
        layers.file("was-folder/x"),
        layers.file("was-folder", b"is a file"),
        layers.file("../../dots", b"contained"),
        layers.file("/slash", b"contained"),
    ],
    [
        layers.file("etc/.wh.passwd", b"", uid=1, gid=2),
        layers.file("usr/share/doc/.wh..wh..opq", b""),
        layers.file("usr/share/doc/new", b"new"),
        layers.folder("tmp", mode=0o700),
        layers.file("usr/bin/more", b"implicit parents"),
        layers.symlink("old", "now/a/link"),
    ],
    [layers.file(".wh.bin", b""), layers.folder("usr/share/doc", mode=0o711)],
]


@pytest.fixture(scope="module")
def daemon():
    folder = Path(tempfile.mkdtemp(prefix="boxship-compat-", dir="/var/tmp"))
    config = folder / "config.toml"
    config.write_text(
        'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs"]\n'
    )
    address = folder / "c.sock"
    command = [
        "containerd",
        "-c",
        config,
        "--root",
        folder / "root",
        "--state",
        folder / "state",
        "-a",
        address,
        "-l",
        "error",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while subprocess.run(["ctr", "-a", address, "version"], capture_output=True, check=False).returncode:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield Daemon(folder, address)
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


class Daemon:
    def __init__(self, folder, address) -> None:
        self.folder = folder
        self.address = address

    def ctr(self, *arguments) -> str:
        command = ["ctr", "-a", str(self.address), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def unpack(self, name, stack) -> list[Path]:
        """Import an image of these layers; the folders of its snapshots, oldest first."""
        path = self.folder / "image.tar"
        path.write_bytes(image(name, stack))
        self.ctr("images", "import", "--snapshotter", "overlayfs", path)
        # The mounts in the same call: a view that nothing refers to may be collected right after.
        answer = self.ctr("snapshots", "view", "--mounts", f"{name}-view", chain([digest(data) for data in stack]))
        [mount] = json.loads(answer)
        lowers = [option for option in mount["Options"] if option.startswith("lowerdir=")]
        if not lowers:
            return [Path(mount["Source"])]
        return [Path(lower) for lower in reversed(lowers[0].removeprefix("lowerdir=").split(":"))]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def chain(diff_ids) -> str:
    result = diff_ids[0]
    for diff_id in diff_ids[1:]:
        result = digest(f"{result} {diff_id}".encode())
    return result


def image(name, stack) -> bytes:
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(data: bytes, media_type: str) -> dict:
        files[f"blobs/sha256/{digest(data)[7:]}"] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    described = [blob(gzip.compress(data, 1, mtime=0), oci.LAYER_GZIP) for data in stack]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    rootfs = {"type": "layers", "diff_ids": [digest(data) for data in stack]}
    config = blob(json.dumps({"architecture": machine, "os": "linux", "rootfs": rootfs}).encode(), oci.CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config, "layers": described}
    top = blob(json.dumps(manifest).encode(), oci.MANIFEST)
    top["annotations"] = {oci.ANNOTATION_NAME: f"docker.io/library/{name}:latest", oci.ANNOTATION_REF: "latest"}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def described(root: Path, implicit=()) -> dict[bytes, tuple]:
    """Every file of a tree; of folders that no layer spoke of, the time is when they were made."""
    found = {}
    first: dict[int, bytes] = {}
    for folder, folders, names in os.walk(os.fsencode(root)):
        for name in [*folders, *names]:
            path = os.path.join(folder, name)
            about = os.lstat(path)
            relative = os.path.relpath(path, os.fsencode(root))
            kind = stat.S_IFMT(about.st_mode)
            data = None
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    data = file.read()
            elif kind == stat.S_IFLNK:
                data = os.readlink(path)
            attributes = {
                key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
            }
            mtime = None if relative in implicit else about.st_mtime_ns
            found[relative] = (
                oct(about.st_mode),
                about.st_uid,
                about.st_gid,
                about.st_rdev,
                mtime,
                data,
                attributes,
                about.st_nlink if kind != stat.S_IFDIR else 0,
            )
            if kind != stat.S_IFDIR:
                first.setdefault(about.st_ino, relative)
                found[relative] += (min(first[about.st_ino], relative) if about.st_nlink == 1 else "linked",)
    return found


def spoken_of(members) -> set[bytes]:
    return {entry.name.strip(b"/").removeprefix(b"./") for entry, _ in members if entry.kind is tar.Kind.DIRECTORY}


def folders_of(root: Path) -> set[bytes]:
    return {
        os.path.relpath(os.path.join(folder, name), os.fsencode(root))
        for folder, folders, _ in os.walk(os.fsencode(root))
        for name in folders
    }


def whiteouts_have_no_time(found):
    return {
        path: (*about[:4], None, *about[5:]) if about[0].startswith("0o2") and about[3] == 0 else about
        for path, about in found.items()
    }


def test_the_same_files(daemon, tmp_path) -> None:
    stack = [layers.archive(members) for members in STACK]
    theirs = daemon.unpack("same", stack)
    store = local.LocalStore(tmp_path / "content")
    snapshotter = overlayfs.OverlaySnapshotter(tmp_path / "snapshots")
    ours = differ.LayerDiffer(store)
    parent = ""
    for n, data in enumerate(stack):
        blobs.put(store, data)
        given = snapshotter.prepare(f"k{n}", parent)
        descriptor = oci.Descriptor(media_type=oci.LAYER, digest=digest(data), size=len(data))
        assert ours.apply(descriptor, given).digest == digest(data)
        snapshotter.commit(f"c{n}", f"k{n}")
        mine = tmp_path / "snapshots/snapshots" / str(n + 1) / "fs"
        implicit = folders_of(mine) - spoken_of(STACK[n])
        one = whiteouts_have_no_time(described(theirs[n], implicit))
        two = whiteouts_have_no_time(described(mine, implicit))
        assert set(one) == set(two)
        assert len(one) >= len(STACK[n]) // 2
        for path, about in one.items():
            assert two[path] == about, path
        parent = f"c{n}"
    snapshotter.close()


def test_the_same_difference(daemon, tmp_path) -> None:
    """`ctr snapshots diff` of an unpacked layer, byte for byte once inflated."""
    stack = [layers.archive(members) for members in STACK[:2]]
    daemon.unpack("diff", stack)
    theirs = gzip.decompress(
        subprocess.run(
            [
                "ctr",
                "-a",
                daemon.address,
                "snapshots",
                "diff",
                "--media-type",
                oci.LAYER_GZIP,
                chain([digest(stack[0])]),
            ],
            capture_output=True,
            check=True,
        ).stdout
    )
    store = local.LocalStore(tmp_path / "content")
    snapshotter = overlayfs.OverlaySnapshotter(tmp_path / "snapshots")
    ours = differ.LayerDiffer(store)
    blobs.put(store, stack[0])
    ours.apply(
        oci.Descriptor(media_type=oci.LAYER, digest=digest(stack[0]), size=len(stack[0])), snapshotter.prepare("k")
    )
    snapshotter.commit("c", "k")
    made = ours.compare([], snapshotter.view("v", "c"), media_type=oci.LAYER)
    mine = blobs.whole(store, (tmp_path / "content/blobs/sha256" / made.digest[7:]).read_bytes())
    spoken = spoken_of(STACK[0])
    assert len(members(mine, spoken)) > 30
    assert members(mine, spoken) == members(theirs, spoken)
    snapshotter.close()


def members(data: bytes, spoken: set[bytes]) -> list:
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        return [_comparable(info, file, spoken) for info in file]


def _comparable(info, file, spoken):
    """All of a member; of folders that no layer spoke of, the time is when they were made, and the checksum tells it."""
    records = {key: value for key, value in info.pax_headers.items() if not key.startswith("SCHILY.xattr.user.")}
    about = info.get_info() | {"data": file.extractfile(info).read() if info.isreg() else b"", "records": records}
    implicit = info.isdir() and os.fsencode(info.name).strip(b"/") not in spoken
    return about | {"mtime": None, "chksum": None} if implicit else about
