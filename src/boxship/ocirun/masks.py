"""Paths that a container may see but not read, or read but not write."""

import os
import stat
from dataclasses import dataclass

from boxship.linux import calls, mountfds, mounts, openat2
from boxship.ocirun.stage import Stage

_NULL_DEVICE = (1, 3)
_GONE = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Cover a file with the null device, a folder with an empty read-only tmpfs which all masked folders share."""

    path: str

    def describe(self) -> str:
        return f"mask {self.path}"

    def execute(self, stage: Stage) -> None:
        try:
            target = openat2.open_in_root(stage.root, self.path)
        except _GONE:
            return
        with mountfds.closing(target):
            if openat2.is_folder(target):
                _cover_folder(stage, target, self.path)
            else:
                _cover_file(stage, target, self.path)


def _cover_file(stage: Stage, target: int, path: str) -> None:
    """Read-only: else who owns the file inside could change the mode and owner of the device that covers it."""
    if stage.null < 0:
        own = _own_null(stage.root)
        stage.null = _machines_null(path) if own is None else own
    with mountfds.closing(mountfds.open_tree(stage.null)) as mount:
        mountfds.set_attributes(mount, to_set=mountfds.MOUNT_ATTR_RDONLY)
        stage.put(mount, target, path)


def _own_null(root: int) -> int | None:
    """The container's null device; None when what is there is none, a link to one (CVE-2025-31133), or the machine's."""
    try:
        found = openat2.openat2(
            root,
            "dev/null",
            os.O_PATH | os.O_NOFOLLOW,
            resolve=openat2.RESOLVE_IN_ROOT | openat2.RESOLVE_NO_SYMLINKS,
        )
    except OSError:
        return None
    if _is_null(found) and os.fstat(found).st_dev != os.stat("/dev/null").st_dev:
        return found
    os.close(found)
    return None


def _machines_null(path: str) -> int:
    found = os.open("/dev/null", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not _is_null(found):
        os.close(found)
        raise calls.error("mask: the machine's /dev/null is not character device 1:3", path, 1)
    return found


def _is_null(descriptor: int) -> bool:
    found = os.fstat(descriptor)
    return stat.S_ISCHR(found.st_mode) and (os.major(found.st_rdev), os.minor(found.st_rdev)) == _NULL_DEVICE


def _cover_folder(stage: Stage, target: int, path: str) -> None:
    if stage.mask_folder < 0:
        mount = mountfds.new_mount("tmpfs", "tmpfs", "nr_blocks=1,nr_inodes=2", mounts.MS_RDONLY)
        stage.mask_folder = mount  # after the move it is a copy of the first that covers the next
        stage.put(mount, target, path)
        return
    with mountfds.closing(mountfds.open_tree(stage.mask_folder)) as mount:
        stage.put(mount, target, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnly:
    """Cover a path with itself, read-only."""

    path: str

    def describe(self) -> str:
        return f"make {self.path} read-only"

    def execute(self, stage: Stage) -> None:
        try:
            target = openat2.open_in_root(stage.root, self.path)
        except _GONE:
            return
        with mountfds.closing(target), mountfds.closing(mountfds.open_tree(target, recursive=True)) as mount:
            mountfds.set_attributes(mount, to_set=mountfds.MOUNT_ATTR_RDONLY)
            stage.put(mount, target, self.path)
