"""One daemon per folder: a lock that the kernel drops with the process that holds it (flock(2))."""

import fcntl
import os
import time

NAME = "boxshipd.lock"


class Held(Exception):
    """Somebody else has the folder; the message says who."""


class FolderLock:
    """Holds a folder until it is closed or the process is gone."""

    def __init__(self, folder: str, *, patience: float = 2.0) -> None:
        """Waits `patience` seconds for one who is just leaving. Raises Held."""
        self._folder = folder
        self._descriptor = os.open(
            os.path.join(folder, NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        os.fchmod(self._descriptor, 0o600)  # an old one may be open to all, and whoever opens it can lock us out
        try:
            self._take(time.monotonic() + patience)
        except BaseException:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def _take(self, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Held(f"{self._folder} is in use by another boxshipd{self._holder()}") from None
                time.sleep(0.05)

    def _holder(self) -> str:
        text = os.pread(self._descriptor, 16, 0).decode("ascii", "replace").strip()
        return f" (process {text})" if text.isdigit() else ""

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
