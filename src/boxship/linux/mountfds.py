"""Mounts by descriptor: open_tree, fsopen, fsconfig, fsmount, move_mount, mount_setattr (Linux 5.2 to 5.12).

A mount that is held by a descriptor is placed on what another descriptor holds: no path is resolved in between, so
nobody can put a link there.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from boxship.linux import calls, mountflags

OPEN_TREE_CLONE = 1
AT_RECURSIVE = 0x8000
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40

FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_SET_FD = 5
FSCONFIG_CMD_CREATE = 6

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_RELATIME = 0x00
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

_BITS = (
    (mountflags.MS_RDONLY, MOUNT_ATTR_RDONLY),
    (mountflags.MS_NOSUID, MOUNT_ATTR_NOSUID),
    (mountflags.MS_NODEV, MOUNT_ATTR_NODEV),
    (mountflags.MS_NOEXEC, MOUNT_ATTR_NOEXEC),
    (mountflags.MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    (mountflags.MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
)
_ATIME = (
    (mountflags.MS_NOATIME, MOUNT_ATTR_NOATIME),
    (mountflags.MS_STRICTATIME, MOUNT_ATTR_STRICTATIME),
    (mountflags.MS_RELATIME, MOUNT_ATTR_RELATIME),
)


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def attributes(flags: int) -> int:
    """The MOUNT_ATTR_ bits of a mount with these MS_ flags."""
    result = 0
    for flag, bit in _BITS:
        if flags & flag:
            result |= bit
    for flag, bit in _ATIME:
        if flags & flag:
            return result | bit
    return result


def attribute_changes(flags: int, cleared: int) -> tuple[int, int]:
    """(set, clear) for mount_setattr from MS_ flags given and MS_ flags taken away by options such as `suid`."""
    to_set = attributes(flags)
    to_clear = 0
    for flag, bit in _BITS:
        if cleared & flag and not flags & flag:
            to_clear |= bit
    atime = mountflags.MS_NOATIME | mountflags.MS_STRICTATIME | mountflags.MS_RELATIME
    if (flags | cleared) & atime:
        to_clear |= MOUNT_ATTR__ATIME  # one of three: the kernel wants the whole field cleared first
    return to_set, to_clear


def open_tree(folder: int, path: str = "", *, recursive: bool = False) -> int:
    """A detached copy of the mount at `path` (of the mounts below as well if recursive), as a descriptor."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | (AT_RECURSIVE if recursive else 0)
    if not path:
        flags |= calls.AT_EMPTY_PATH
    return calls.syscall("open_tree", folder, calls.encoded(path), flags, path=path)


def move_mount(mount: int, target: int, *, name: str = "") -> None:
    """Put the detached `mount` (or move the attached one) onto what the descriptor `target` holds."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    calls.syscall("move_mount", mount, b"", target, b"", flags, path=name or f"descriptor {target}")


def move_to_path(mount: int, target: str) -> None:
    calls.syscall("move_mount", mount, b"", calls.AT_FDCWD, calls.encoded(target), MOVE_MOUNT_F_EMPTY_PATH, path=target)


def fsopen(fstype: str) -> int:
    return calls.syscall("fsopen", calls.encoded(fstype), FSOPEN_CLOEXEC, path=fstype)


def _fsconfig(context: int, command: int, key: str | None, value: bytes | None, number: int = 0) -> None:
    try:
        calls.syscall("fsconfig", context, command, calls.encoded(key), value, number, path=key)
    except OSError as failure:
        if said := messages(context):
            raise OSError(failure.errno, f"{failure.strerror}: {said}", key) from None
        raise


def set_string(context: int, key: str, value: str) -> None:
    _fsconfig(context, FSCONFIG_SET_STRING, key, calls.encoded(value))


def set_flag(context: int, key: str) -> None:
    _fsconfig(context, FSCONFIG_SET_FLAG, key, None)


def set_descriptor(context: int, key: str, descriptor: int) -> None:
    _fsconfig(context, FSCONFIG_SET_FD, key, None, descriptor)


def create(context: int) -> None:
    """Make the superblock which the context describes."""
    _fsconfig(context, FSCONFIG_CMD_CREATE, None, None)


def messages(context: int) -> str:
    """What the file system had to say about its options (`e …` lines), or ''."""
    said: list[str] = []
    for _ in range(8):
        try:
            line = os.read(context, 1024)
        except OSError:
            break
        if not line:
            break
        said.append(line.decode("utf-8", "replace").strip())
    return "; ".join(said)


def fsmount(context: int, attribute_bits: int = 0) -> int:
    """The made superblock as a detached mount, as a descriptor."""
    return calls.syscall("fsmount", context, FSMOUNT_CLOEXEC, attribute_bits)


# MS_ flags which mount(2) applies to the file system itself, beside the mount
_SUPERBLOCK = (
    (mountflags.MS_RDONLY, "ro"),
    (mountflags.MS_SYNCHRONOUS, "sync"),
    (mountflags.MS_DIRSYNC, "dirsync"),
    (mountflags.MS_LAZYTIME, "lazytime"),
)


def new_mount(fstype: str, source: str | None, options: str, flags: int = 0) -> int:
    """A detached mount of a new superblock with MS_ `flags` and comma separated `options`, as a descriptor."""
    with closing(fsopen(fstype)) as context:
        if source:
            set_string(context, "source", source)
        for option in options.split(",") if options else ():
            key, equals, value = option.partition("=")
            if equals:
                set_string(context, key, value)
            else:
                set_flag(context, key)
        for flag, word in _SUPERBLOCK:
            if flags & flag:
                set_flag(context, word)
        create(context)
        return fsmount(context, attributes(flags))


def set_attributes(
    mount: int,
    *,
    to_set: int = 0,
    to_clear: int = 0,
    propagation: int = 0,
    user_namespace: int | None = None,
    recursive: bool = False,
) -> None:
    """mount_setattr(2) on the mount which `mount` holds; `user_namespace` makes it an id-mapped one."""
    if user_namespace is not None:
        to_set |= MOUNT_ATTR_IDMAP
    value = _MountAttr(to_set, to_clear, propagation, user_namespace or 0)
    flags = calls.AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    calls.syscall("mount_setattr", mount, b"", flags, ctypes.byref(value), ctypes.sizeof(value))


def bind(source: str, *, recursive: bool = False) -> int:
    """A detached bind mount of `source`, as a descriptor."""
    return open_tree(calls.AT_FDCWD, source, recursive=recursive)
