"""A proc file system of one's own, held by a descriptor, so that nobody can put something else in its place."""

import ctypes
import errno
import os
import stat

from boxship.linux import calls, mountfds, mountflags, openat2

PROC_MAGIC = 0x9FA0
TMPFS_MAGIC = 0x01021994
CGROUP_MAGIC = 0x27E0EB
CGROUP2_MAGIC = 0x63677270
DEVPTS_MAGIC = 0x1CD1

_QUIET = mountflags.MS_NOSUID | mountflags.MS_NODEV | mountflags.MS_NOEXEC
_STATFS_SIZE = 120
_fstatfs = calls.function("fstatfs", ctypes.c_int, ctypes.c_void_p)


def magic(descriptor: int) -> int:
    """The number of the file system's kind, f_type of statfs(2)."""
    buffer = ctypes.create_string_buffer(_STATFS_SIZE)
    calls.checked(_fstatfs(descriptor, buffer), "fstatfs")
    return int.from_bytes(buffer.raw[:8], "little") & 0xFFFFFFFF


def open_private() -> int:
    """A new mount of proc for the caller's pid namespace, mounted nowhere: a folder descriptor.

    Where proc may not be mounted anew (in a user namespace whose own /proc is partly covered), /proc is opened, and
    checked to be proc's root.
    """
    try:
        mount = mountfds.new_mount("proc", "proc", "", _QUIET)
        try:
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mount)
        finally:
            os.close(mount)
    except PermissionError:
        return open_checked("/proc")


def open_checked(path: str) -> int:
    """Open the root of a mounted proc; raises OSError when it is something else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if magic(descriptor) != PROC_MAGIC or os.fstat(descriptor).st_ino != 1:
        os.close(descriptor)
        raise calls.error("open proc: not the root of a proc file system", path, errno.EXDEV)
    return descriptor


def write(proc: int, path: str, value: str) -> None:
    """Write `value` into the file `path` of `proc`, crossing neither a link nor a mount on the way."""
    resolve = openat2.RESOLVE_BENEATH | openat2.RESOLVE_NO_XDEV | openat2.RESOLVE_NO_MAGICLINKS
    descriptor = openat2.openat2(proc, path, os.O_WRONLY, resolve=resolve)
    try:
        raw = os.fsencode(value)
        try:
            written = os.write(descriptor, raw)
        except OSError as failure:
            raise calls.error("write", f"/proc/{path}", failure.errno) from None
        if written != len(raw):
            raise calls.error("write", f"/proc/{path}", errno.EIO)
    finally:
        os.close(descriptor)


def write_sysctl(proc: int, name: str, value: str) -> None:
    """Set a sysctl by its dotted name (`net.ipv4.ip_forward`; a slash stands for a dot within a name)."""
    path = name.replace(".", "\0").replace("/", ".").replace("\0", "/") if "/" not in name else name
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise calls.error("sysctl", name, errno.EINVAL)
    write(proc, "sys/" + path, value)


def is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
