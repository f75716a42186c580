"""Calls about files that Python's os module lacks."""

import ctypes
import fcntl

from boxship.linux import calls

_FICLONE = 0x40049409
_SYNC_FILE_RANGE_WRITE = 2

_syncfs = calls.function("syncfs", ctypes.c_int)
_sync_file_range = calls.function("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def syncfs(descriptor: int) -> None:
    """Make the file system of an open file write all that it holds back to its disk; see its manual page."""
    calls.checked(_syncfs(descriptor), "syncfs")


def start_writing(descriptor: int, offset: int, size: int) -> None:
    """Have the kernel begin to write a part of a file to its disk, without waiting for it; sync_file_range(2)."""
    calls.checked(_sync_file_range(descriptor, offset, size, _SYNC_FILE_RANGE_WRITE), "sync_file_range")


def clone(source: int, target: int) -> None:
    """Make the file `target` share all the blocks of `source`, copied when one is changed; ioctl_ficlone(2)."""
    fcntl.ioctl(target, _FICLONE, source)
