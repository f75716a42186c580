"""An image for tests, made from this machine's static busybox."""

import io
import os
import tarfile

import pytest

BUSYBOX = "/bin/busybox"
NAMES = (
    *("sh", "true", "false", "sleep", "cat", "echo", "ls", "id", "env"),
    *("pwd", "mount", "hostname", "stat", "tty", "head", "seq", "dd", "ip", "tr"),
)
FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home:/bin/sh\n",
    "etc/group": b"root:x:0:root\napp:x:1001:\nextra:x:2000:app\n",
}
CONFIG = {
    "Env": ["COLOR=blue"],
    "Cmd": ["echo", "from the image"],
    "WorkingDir": "/home",
    "StopSignal": "SIGUSR1",
    "Labels": {
        "kept": "yes",
        "boxship.log": "/etc/shadow",
        "containerd.io/gc.root": "now",
        "io.containerd.image.config.stop-signal": "SIGKILL",
        "nerdctl/name": "mine",
        "long": "x" * 5000,
    },
}


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.mode = 0o755
    return entry


def layer():
    """A tar with busybox, its links and two users."""
    if not os.path.exists(BUSYBOX):
        pytest.skip("needs a static busybox")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "dev", "etc", "home", "proc", "sys", "tmp"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name, data in FILES.items():
            file = tarfile.TarInfo(name)
            file.size = len(data)
            tar.addfile(file, io.BytesIO(data))
        tar.add(BUSYBOX, "bin/busybox", filter=_owned_by_root)
        for name in NAMES:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def push(registry, repository="test/busybox", config=CONFIG):
    """Returns the reference under which it lies there."""
    registry.push_image(repository, "v1", [layer()], config)
    return f"{registry.host}/{repository}:v1"
