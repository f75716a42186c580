"""Bundles made of busybox, and a way to run them in process and watch what they say."""

import contextlib
import copy
import itertools
import os
import pathlib
import shutil
import signal
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest

from boxship.linux import mounts, processes
from boxship.ocirun import container, create, delete, start
from boxship.ocirun import exec as executing
from boxship.ocirun.commands import specifying

BUSYBOX = "/bin/busybox"
APPLETS = (
    "sh", "true", "false", "ls", "cat", "echo", "sleep", "ps", "id", "env", "mount", "grep", "stat", "hostname", "pwd",
    "touch", "mkdir", "readlink", "kill", "head", "wc", "mknod", "dd", "ulimit", "tr", "test", "seq", "umount", "nproc",
)  # fmt: skip
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not os.path.exists(BUSYBOX):
        pytest.skip("needs a static /bin/busybox")


class Bundle:
    """A bundle folder; `spec` may be changed before it runs."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.rootfs = folder / "rootfs"
        self.spec: dict[str, Any] = specifying.example()
        self.spec["process"]["terminal"] = False
        self.spec["root"]["readonly"] = False
        self.warnings: list[str] = []
        binaries = self.rootfs / "bin"
        binaries.mkdir(parents=True)
        shutil.copy(BUSYBOX, binaries / "busybox")
        for applet in APPLETS:
            (binaries / applet).symlink_to("busybox")

    @property
    def process(self) -> dict[str, Any]:
        return self.spec["process"]

    @property
    def linux(self) -> dict[str, Any]:
        return self.spec["linux"]

    @contextlib.contextmanager
    def created(self, *args: str, **options: Any) -> Iterator[container.Container]:
        if args:
            self.process["args"] = list(args)
        id = f"test-{os.getpid()}-{next(_numbers)}"
        self.linux.setdefault("cgroupsPath", f"/boxship-test/{id}")
        box = create.create(self.spec, id=id, bundle=str(self.folder), warn=self.warnings.append, **options)
        try:
            yield box
        finally:
            if box.console is not None:
                os.close(box.console)
            if box.pidfd >= 0:
                delete.delete(box, force=True)
            self.linux.pop("cgroupsPath")

    def run(self, *args: str, **options: Any) -> tuple[int, str]:
        """(exit status, what it wrote to stdout and stderr)."""
        with Output() as output:
            with self.created(*args, stdio=(output.nothing, output.writing, output.writing), **options) as box:
                start.start(box, warn=self.warnings.append)
                status = processes.exit_status(box.pidfd)
            return status or 0, output.text()

    def sh(self, script: str, **options: Any) -> tuple[int, str]:
        return self.run("sh", "-c", script, **options)


class Output:
    """A file in memory for a process to write to."""

    def __enter__(self) -> Self:
        self.writing = os.memfd_create("output")
        self.nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.writing)
        os.close(self.nothing)

    def text(self) -> str:
        return os.pread(self.writing, 1 << 20, 0).decode()


def execute(box: container.Container, *args: str, **changes: Any) -> tuple[int, str]:
    """Run one more process in `box`: (exit status, output)."""
    wanted = copy.deepcopy(dict(box.spec["process"]))
    wanted.update(args=list(args), **changes)
    with Output() as output:
        born = executing.execute(box, wanted, stdio=(output.nothing, output.writing, output.writing))
        status = processes.exit_status(born.pidfd)
        os.close(born.pidfd)
        return status or 0, output.text()


@pytest.fixture
def bundle(tmp_path: pathlib.Path) -> Bundle:
    return Bundle(tmp_path)


@pytest.fixture
def another(tmp_path: pathlib.Path) -> Callable[[], Bundle]:
    return lambda: Bundle(tmp_path / f"bundle{next(_numbers)}")


@pytest.fixture
def running(bundle: Bundle) -> Iterator[container.Container]:
    """A container that sleeps."""
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        yield box


def finish(box: container.Container) -> int:
    processes.send_signal(box.pidfd, signal.SIGKILL)
    return processes.exit_status(box.pidfd) or 0


def mounted_below(folder: pathlib.Path) -> list[str]:
    """Mounts of the machine below a folder of the test; others come and go beside us."""
    return [info.target for info in mounts.mountinfo() if info.target.startswith(f"{folder}/")]
