"""What a shim has to say: lines in the log of its bundle.

A `log` FIFO, when the one who started us has made and opened one (containerd does), else the file `shim.log`, which
is kept short. Nothing of it can block the shim.
"""

import contextlib
import logging
import os
import stat
import time

LIMIT = 256 * 1024


def prepare() -> None:
    """Send the logging of this process, and of those forked from it, to standard error."""
    logger = logging.getLogger()
    logger.handlers[:] = [_Bounded()]
    logger.setLevel(logging.INFO)


def start(bundle: str) -> None:
    """Make the bundle's log the standard error of this process."""
    fd = _open(bundle)
    os.dup2(fd, 2)
    os.close(fd)


def set_level(*, debug: bool) -> None:
    logging.getLogger().setLevel(logging.DEBUG if debug else logging.INFO)


class _Bounded(logging.Handler):
    """Writes whole lines to standard error; drops what does not go at once or is too much for a file."""

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{time.strftime('%FT%TZ', time.gmtime(record.created))} {record.levelname} {self.format(record)}"
        with contextlib.suppress(OSError):
            status = os.fstat(2)
            if not stat.S_ISREG(status.st_mode) or status.st_size < LIMIT:
                os.write(2, text.encode("utf-8", "replace")[:4096] + b"\n")


def _open(bundle: str) -> int:
    pipe = os.path.join(bundle, "log")
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.stat(pipe).st_mode):
            # Read and write: it stays writable though the daemon goes, and what nobody reads is dropped when it is full.
            return os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        path = os.path.join(bundle, "shim.log")
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
