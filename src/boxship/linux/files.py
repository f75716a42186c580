"""Calls about files that Python's os module lacks."""

import ctypes
import fcntl

from boxship.linux import calls

_FICLONE = 0x40049409

_syncfs = calls.function("syncfs", ctypes.c_int)


def syncfs(descriptor: int) -> None:
    """Have all that the file system of an open file holds back written to its disk, see syncfs(2)."""
    calls.checked(_syncfs(descriptor), "syncfs")


def clone(source: int, target: int) -> None:
    """Make the file `target` share all the blocks of `source`, copied when one is changed; ioctl_ficlone(2)."""
    fcntl.ioctl(target, _FICLONE, source)
