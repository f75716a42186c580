"""Where the FIFOs of attached processes lie: a folder for each process, below a place that a restart empties.

A client that is killed leaves its folder. The container may go on with it, and its shim holds the FIFOs open then;
those that nobody reads any more are removed by the next client that makes some.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import time

PLACE = "/run/boxship/fifo"
"""For root, as containerd's clients have theirs in /run; others use the folder for temporary files."""
_PREFIX = "boxship-fifo-"
_YOUNG = 60.0
"""Seconds in which a folder may still be in the making."""
_MOST = 1000
"""Entries of a place that are looked at; it may be a folder that everybody shares."""


def make(place: str | None = None) -> str:
    """A new folder, private to its owner, below `place` or the usual one."""
    place = place or _usual()
    with contextlib.suppress(OSError):
        sweep(place)
    return tempfile.mkdtemp(prefix=_PREFIX, dir=place)


def sweep(place: str, now: float | None = None) -> None:
    """Remove folders of ours whose FIFOs nobody reads. `now` in seconds since the epoch."""
    now = time.time() if now is None else now
    with os.scandir(place) as entries:
        for entry, _ in zip(entries, range(_MOST), strict=False):
            if entry.name.startswith(_PREFIX):
                with contextlib.suppress(OSError):
                    _remove_if_stale(entry, now)


def _remove_if_stale(entry: "os.DirEntry[str]", now: float) -> None:
    found = entry.stat(follow_symlinks=False)
    ours = found.st_uid == os.geteuid() and entry.is_dir(follow_symlinks=False)
    if not ours or now - found.st_mtime < _YOUNG:
        return
    if not any(_is_read(os.path.join(entry.path, name)) for name in os.listdir(entry.path)):
        shutil.rmtree(entry.path)


def _is_read(path: str) -> bool:
    """Whether somebody has its reading side open, fifo(7)."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as exc:
        return exc.errno != errno.ENXIO
    return True


def _usual() -> str:
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.makedirs(PLACE, mode=0o700, exist_ok=True)
            return PLACE
    return tempfile.gettempdir()
