"""Where a plan is carried out: the container's root as a descriptor, seen from the process that becomes its init."""

import errno
import os
from collections.abc import Callable, Mapping
from typing import Protocol

from boxship.linux import calls, mountfds, openat2, procfs


class Stage:
    """What operations hand to each other. Lives in one process, between the fork and the pivot."""

    def __init__(self, *, rootfs: str, cgroup_paths: Mapping[str, str], warn: Callable[[str], None]) -> None:
        self.rootfs = rootfs
        self.cgroup_paths = cgroup_paths
        self.warn = warn
        self.root = -1  # the root's mount, once it is there
        self.prepared: dict[int, int] = {}  # index of an operation -> mount that the parent opened for it
        self.mask_folder = -1  # the tmpfs which all masked folders share
        self.null = -1  # a null device, checked
        self.console: tuple[int, int] | None = None  # master, peer
        self._proc = -1

    def proc(self) -> int:
        """A private proc of the container's pid namespace."""
        if self._proc < 0:
            self._proc = procfs.open_private()
        return self._proc

    def close_helpers(self) -> None:
        """Let go of everything but the root: nothing of the machine may stay open behind the walls."""
        for descriptor in (self.null, self.mask_folder, self._proc):
            if descriptor >= 0:
                os.close(descriptor)
        self.null = self.mask_folder = self._proc = -1

    def place(self, path: str, *, is_folder: bool) -> int:
        """What `path` is inside the root, made if it is missing, as an O_PATH descriptor."""
        maker = openat2.make_folders if is_folder else openat2.make_file
        return maker(self.root, path)

    def has(self, path: str) -> bool:
        """Whether there is something at `path` inside the root."""
        try:
            os.close(openat2.open_in_root(self.root, path))
        except FileNotFoundError:
            return False
        return True

    def plain_folder(self, path: str) -> int:
        """As `place`, for proc and sysfs: nothing on the way may be a link (CVE-2019-19921 and its kin)."""
        try:
            descriptor = openat2.openat2(
                self.root,
                path.lstrip("/") or ".",
                os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW,
                resolve=openat2.RESOLVE_IN_ROOT | openat2.RESOLVE_NO_SYMLINKS,
            )
        except FileNotFoundError:
            return self.place(path, is_folder=True)
        except OSError as failure:
            if failure.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise calls.error("must be mounted on ordinary directory", path, errno.ENOTDIR) from None
            raise
        return descriptor

    def put(self, mount: int, target: int, name: str) -> None:
        """Place a detached mount on what `target` holds."""
        mountfds.move_mount(mount, target, name=name)


class Operation(Protocol):
    """One step on the way to a container: says what it will do, and does it."""

    def describe(self) -> str: ...

    def execute(self, stage: Stage) -> None:
        """Raises OSError or errors.Fault."""
