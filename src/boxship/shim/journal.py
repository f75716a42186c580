"""What a shim has to say: lines in the log of its bundle.

A `log` FIFO, when the one who started us has made and opened one (containerd does), else the file `shim.log`, which
is kept short. Nothing of it can block the shim.

Python's `logging` would be half a megabyte in the process that all shims are forked from.
"""

import contextlib
import os
import stat
import sys
import time

LIMIT = 256 * 1024
_LINE_LIMIT = 4096


def start(bundle: str) -> None:
    """Make the bundle's log the standard error of this process."""
    fd = _open(bundle)
    os.dup2(fd, 2)
    os.close(fd)


def stop() -> None:
    """Let go of the bundle's log; what is said until the next `start` is lost."""
    fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(fd, 2)
    os.close(fd)


def info(text: str) -> None:
    _write("INFO", text)


def warning(text: str) -> None:
    _write("WARNING", text)


def error(text: str) -> None:
    _write("ERROR", text)


def exception(text: str) -> None:
    """With the exception that is being handled."""
    failure = sys.exc_info()[1]
    try:
        import traceback

        told = "".join(traceback.format_exception(failure))
    except (ImportError, OSError):  # without descriptors nothing can be loaded
        told = repr(failure)
    _write("ERROR", f"{text}\n{told}")


def _write(level: str, text: str) -> None:
    """A line to standard error; not what does not go at once, or is too much for a file."""
    line = f"{time.strftime('%FT%TZ', time.gmtime())} {level} {text}"
    with contextlib.suppress(OSError):
        status = os.fstat(2)
        if not stat.S_ISREG(status.st_mode) or status.st_size < LIMIT:
            os.write(2, line.encode("utf-8", "replace")[:_LINE_LIMIT] + b"\n")


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
