"""Calls about files that Python's os module lacks."""

import ctypes
import fcntl

from boxship.linux import calls

_FICLONE = 0x40049409

_syncfs = calls.function("syncfs", ctypes.c_int)


def syncfs(descriptor: int) -> None:
    """Make the file system of an open file write all that it holds back to its disk; see its manual page."""
    calls.checked(_syncfs(descriptor), "syncfs")


def clone(source: int, target: int) -> None:
    """Make the file `target` share all the blocks of `source`, copied when one is changed; ioctl_ficlone(2)."""
    fcntl.ioctl(target, _FICLONE, source)
