"""Mounts: the classic calls, the descriptor calls, the table of mounts, and whole mounts as containerd words them.

Words: a *mount* is {type, source, target, options}; *flags* are the MS_ bits that mount(2) takes; *propagation* is
MS_SHARED and its kin; *data* is what is left for the file system. See mount(2), fsopen(2), mount_setattr(2).
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass

from boxship.linux import calls, mountflags, mounttable, openat2, overlays
from boxship.linux.mountflags import (
    FLAGS,
    MNT_DETACH,
    MNT_EXPIRE,
    MNT_FORCE,
    MS_BIND,
    MS_DIRSYNC,
    MS_I_VERSION,
    MS_LAZYTIME,
    MS_MANDLOCK,
    MS_MOVE,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_NOSYMFOLLOW,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    MS_SHARED,
    MS_SILENT,
    MS_SLAVE,
    MS_STRICTATIME,
    MS_SYNCHRONOUS,
    MS_UNBINDABLE,
    PROPAGATION,
    UMOUNT_NOFOLLOW,
    mount_options,
)
from boxship.linux.mounttable import Info, parse_mountinfo

__all__ = [
    "FLAGS",
    "MNT_DETACH",
    "MNT_EXPIRE",
    "MNT_FORCE",
    "MS_BIND",
    "MS_DIRSYNC",
    "MS_I_VERSION",
    "MS_LAZYTIME",
    "MS_MANDLOCK",
    "MS_MOVE",
    "MS_NOATIME",
    "MS_NODEV",
    "MS_NODIRATIME",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_NOSYMFOLLOW",
    "MS_PRIVATE",
    "MS_RDONLY",
    "MS_REC",
    "MS_RELATIME",
    "MS_REMOUNT",
    "MS_SHARED",
    "MS_SILENT",
    "MS_SLAVE",
    "MS_STRICTATIME",
    "MS_SYNCHRONOUS",
    "MS_UNBINDABLE",
    "PROPAGATION",
    "UMOUNT_NOFOLLOW",
    "Info",
    "Mount",
    "is_mounted",
    "mount",
    "mount_all",
    "mount_at",
    "mount_options",
    "mountinfo",
    "parse_mountinfo",
    "pivot_root",
    "umount",
    "umount_all",
]

PAGE = os.sysconf("SC_PAGESIZE")

_mount = calls.function("mount", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_umount2 = calls.function("umount2", ctypes.c_char_p, ctypes.c_int)


def mount(source: str | None, target: str, fstype: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """Mount by the classic call. `data` longer than a page is refused with E2BIG; `mount_at` knows a way around."""
    if data is not None and len(os.fsencode(data)) >= PAGE:
        raise calls.error("mount", target, errno.E2BIG)
    result = _mount(calls.encoded(source), calls.encoded(target), calls.encoded(fstype), flags, calls.encoded(data))
    calls.checked(result, "mount", target)


def umount(target: str, flags: int = 0) -> None:
    """umount2(2); the last component is never followed when it is a link."""
    calls.checked(_umount2(calls.encoded(target), flags | UMOUNT_NOFOLLOW), "umount2", target)


def pivot_root(new_root: str, put_old: str) -> None:
    """Make `new_root` the root mount of this mount namespace and put the old one at `put_old`; "." and "." stack."""
    calls.syscall("pivot_root", calls.encoded(new_root), calls.encoded(put_old), path=new_root)


def umount_all(target: str, flags: int = 0) -> int:
    """Take away every mount stacked on `target`, and say how many there were. No mount, no folder: 0."""
    count = 0
    while True:
        try:
            umount(target, flags)
        except OSError as failure:
            # EINVAL: not a mount point (any more)
            if failure.errno in {errno.EINVAL, errno.ENOENT}:
                return count
            raise
        count += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A mount as containerd's snapshotters hand it out; `target` is a folder below the one it is mounted at, or ''."""

    type: str
    source: str
    target: str = ""
    options: tuple[str, ...] = ()


def mount_at(item: Mount, target: str) -> None:
    """Mount `item` at `target` (its own `target` is not looked at); ro bind mounts are remounted, propagation set."""
    flags, propagation, data = mount_options(item.options)
    is_bind = flags & MS_BIND or item.type in {"bind", "rbind"}
    if is_bind:
        flags |= MS_BIND | (MS_REC if item.type == "rbind" else 0)
        mount(item.source, target, None, flags & (MS_BIND | MS_REC))
        if wanted := flags & mountflags.BIND_REMOUNT:
            mount(None, target, None, MS_BIND | MS_REMOUNT | wanted)
    elif item.type == "overlay" and len(os.fsencode(data)) >= PAGE:
        _mount_long_overlay(item.source or "overlay", target, flags, data)
    else:
        mount(item.source or item.type, target, item.type, flags, data or None)
    if propagation:
        mount(None, target, None, propagation)


def _mount_long_overlay(source: str, target: str, flags: int, data: str) -> None:
    try:
        overlays.mount_by_parts(source, target, flags, data)
    except OSError as failure:
        # EINVAL and ENOSYS: older than `lowerdir+` or than fsopen
        if failure.errno not in {errno.EINVAL, errno.ENOSYS}:
            raise
        with overlays.shortened(data) as short:
            mount(source, target, "overlay", flags, short)


def mount_all(items: Sequence[Mount], target: str) -> None:
    """Mount all of `items` in order at `target`, or below it where they say so; on failure nothing stays mounted."""
    done: list[str] = []
    try:
        for item in items:
            place = _below(target, item.target)
            mount_at(item, place)
            done.append(place)
    except OSError:
        for place in reversed(done):
            umount(place, MNT_DETACH)
        raise


def _below(target: str, path: str) -> str:
    if not path:
        return target
    root = os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        inside = openat2.open_in_root(root, path)
        try:
            return os.readlink(f"/proc/self/fd/{inside}")
        finally:
            os.close(inside)
    finally:
        os.close(root)


def mountinfo(process: int | str = "self") -> list[Info]:
    """The mounts that `process` sees, in the order they were made."""
    return mounttable.read(process)


def is_mounted(target: str) -> bool:
    path = os.path.realpath(target)
    return any(info.target == path for info in mountinfo())
