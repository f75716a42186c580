"""What foreign shims say: they write lines into the FIFO `log` of their bundle, and one thread reads all of them."""

import contextlib
import logging
import os
import selectors
import threading
from pathlib import Path

_log = logging.getLogger(__name__)
_LINE_LIMIT = 4096


class LogReader:
    """Passes lines on to our own log. Its thread runs while a log is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fds: dict[Path, int] = {}
        self._selector = selectors.DefaultSelector()
        self._thread: threading.Thread | None = None
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ, None)

    def open(self, path: Path) -> None:
        """Make the FIFO if need be and read it: before the shim is started, which may wait for a reader."""
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o700)
        # Read and write, so that it neither waits for a writer nor ends with one.
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with self._lock:
            old = self._fds.pop(path, None)
            if old is not None:
                self._forget(old)
            self._fds[path] = fd
            self._selector.register(fd, selectors.EVENT_READ, path.parent.name)
            if self._thread is None:
                self._thread = threading.Thread(target=self._read, name="shim-logs", daemon=True)
                self._thread.start()
            os.write(self._waker, b".")

    def close(self, path: Path) -> None:
        """Stop reading one; what was not read is dropped."""
        with self._lock:
            fd = self._fds.pop(path, None)
            if fd is not None:
                self._forget(fd)
                os.write(self._waker, b".")

    def close_all(self) -> None:
        """The thread ends; nothing can be opened any more."""
        with self._lock:
            if self._waker < 0:
                return
            for fd in self._fds.values():
                self._forget(fd)
            self._fds.clear()
            thread, self._thread = self._thread, None
            os.write(self._waker, b".")
        if thread is not None:
            thread.join(5.0)
        with self._lock:
            self._selector.close()
            os.close(self._wake)
            os.close(self._waker)
            self._wake = self._waker = -1

    def _forget(self, fd: int) -> None:
        self._selector.unregister(fd)
        os.close(fd)

    def _read(self) -> None:
        this = threading.current_thread()
        while self._thread is this:
            for key, _ in self._selector.select():
                with self._lock, contextlib.suppress(OSError):
                    # It may have been closed since, and its number used again.
                    if key.data is None:
                        os.read(self._wake, 4096)
                    elif key.fd in self._fds.values():
                        self._pass_on(str(key.data), os.read(key.fd, 16 * _LINE_LIMIT))

    @staticmethod
    def _pass_on(id: str, data: bytes) -> None:
        for line in data.splitlines():
            _log.info("shim %s: %s", id, line[:_LINE_LIMIT].decode("utf-8", "replace"))
