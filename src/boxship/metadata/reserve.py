"""Some space put by, so that things can still be deleted when the disk is full."""

import contextlib
import os

SIZE = 4 * 1024 * 1024
"""Bytes put by."""

_LOW = 1024 * 1024
"""Free bytes below which a deletion takes to the reserve."""


class Reserve:
    """A file that holds space and nothing else."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.fill()

    def fill(self) -> None:
        """Put the space by, unless it is there or there is none."""
        if os.path.exists(self._path):
            return
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        except OSError:  # no space, or a file system that cannot: then there is no reserve
            os.unlink(self._path)
        finally:
            os.close(descriptor)

    def open_if_low(self) -> None:
        """Give the space back to the disk when little is left on it."""
        room = os.statvfs(os.path.dirname(self._path) or ".")
        if room.f_bavail * room.f_frsize < _LOW:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
