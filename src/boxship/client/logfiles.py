"""The files in which the output of detached containers is kept: where they lie, and reading them."""

import contextlib
import io
import os
from contextlib import AbstractContextManager
from typing import BinaryIO

FOLDER = "boxship.logs"
FALLBACK = "/run/boxship"
"""For a daemon that does not tell where its root is."""
CHUNK = 1 << 16
POLL = 0.05
"""Seconds between looks at a log that grows."""
SETTLED = 2
"""Looks after the end of a container until its log is taken for complete: a shim may still be writing."""


def path_for(root: str, namespace: str, id: str) -> str:
    return os.path.join(root or FALLBACK, FOLDER, namespace, id, "output")


def uri(path: str) -> str:
    """As shims take it."""
    import urllib.parse

    return f"file://{urllib.parse.quote(path)}"


def make_folder(path: str) -> None:
    """For the shim, which appends to the file; whoever may not make it leaves that to the shim."""
    with contextlib.suppress(PermissionError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)


def input_beside(path: str, *, make: bool) -> str:
    """The FIFO beside a log that keeps the input of a detached process open; empty where there is none."""
    found = os.path.join(os.path.dirname(path), "stdin")
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(found, 0o600)
    return found if os.path.exists(found) else ""


def remove(path: str, namespace: str, id: str) -> None:
    """Remove a log, if it lies where we would have put it: a path that a caller chose is the caller's."""
    if not path.endswith(path_for("/", namespace, id)):
        return
    for each in (path, os.path.join(os.path.dirname(path), "stdin")):
        with contextlib.suppress(OSError):
            os.unlink(each)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


def opened(path: str) -> AbstractContextManager[BinaryIO]:
    """For reading; a log that does not exist is empty."""
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:
        return io.BytesIO()


def to_tail(file: BinaryIO, lines: int | None) -> None:
    """Go to where the last so many lines begin; None for the start of the file."""
    if lines is None:
        return
    place = end = file.seek(0, os.SEEK_END)
    missing = lines
    while place > 0 and missing >= 0:
        start = max(place - CHUNK, 0)
        file.seek(start)
        found = file.read(place - start)
        at = len(found) - 1 if place == end else len(found)  # the last newline of a file ends its last line
        if not lines:
            break
        while (at := found.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
            if not missing:
                file.seek(start + at + 1)
                return
        place = start
    file.seek(end if not lines else 0)
