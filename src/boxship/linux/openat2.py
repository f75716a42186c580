"""openat2(2): open a path without leaving a folder, without following links, without crossing mounts."""

import ctypes
import errno
import os
import stat

from boxship.linux import calls

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_EAGAIN_TRIES = 64  # a rename anywhere makes RESOLVE_IN_ROOT restart; the kernel leaves the loop to us
_MAX_LINKS = 40


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(folder: int, path: str, flags: int, *, mode: int = 0, resolve: int = 0) -> int:
    """A descriptor (CLOEXEC) of `path` as seen from the descriptor `folder`; raises OSError."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    raw = calls.encoded(path)
    for _ in range(_EAGAIN_TRIES):
        try:
            return calls.syscall("openat2", folder, raw, ctypes.byref(how), ctypes.sizeof(how), path=path)
        except OSError as failure:
            if failure.errno != errno.EAGAIN:
                raise
    raise calls.error("openat2", path, errno.EAGAIN)


def open_in_root(root: int, path: str, flags: int = os.O_PATH, *, mode: int = 0) -> int:
    """A descriptor of `path` with `root` as `/`: links, absolute ones too, stay inside; magic links are refused."""
    return openat2(root, path or ".", flags, mode=mode, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def make_folders(root: int, path: str, mode: int = 0o755) -> int:
    """Make the folder `path` inside `root` with its parents, and return it as an O_PATH descriptor.

    Links are followed inside `root`, dangling ones too (their target is made), and never out of it.
    """
    return _make(root, path, mode, _MAX_LINKS)


def _make(root: int, path: str, mode: int, links_left: int) -> int:
    try:
        return open_in_root(root, path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        pass
    parent_path, name = os.path.split(path.rstrip("/"))
    if name in {"", ".", ".."}:
        raise calls.error("mkdir", path, errno.EINVAL)
    parent = _make(root, parent_path or "/", mode, links_left)
    try:
        try:
            os.mkdir(name, mode, dir_fd=parent)
        except FileExistsError:
            target = _link(parent, name)
            if target is None or links_left == 0:
                raise
            return _make(root, os.path.join(parent_path or "/", target), mode, links_left - 1)
        # O_NOFOLLOW: whoever swaps the new folder for a link meanwhile gets ENOTDIR
        return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)


def _link(parent: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError:
        return None


def make_file(root: int, path: str, mode: int = 0o755) -> int:
    """Make an empty regular file inside `root` with its parent folders unless it exists; an O_PATH descriptor of it."""
    try:
        return open_in_root(root, path)
    except FileNotFoundError:
        pass
    parent_path, name = os.path.split(path.rstrip("/"))
    parent = make_folders(root, parent_path or "/")
    try:
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC
        try:
            os.close(os.open(name, flags, mode, dir_fd=parent))
        except FileExistsError:
            target = _link(parent, name)
            if target is None:
                raise
            return make_file(root, os.path.join(parent_path or "/", target), mode)
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)


def is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)
