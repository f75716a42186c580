"""Trees of files that strangers have made: measured and removed without following a link.

All walking is by descriptors, with a bounded number of them open: a tree may be deeper than paths are long.
"""

import contextlib
import os
import stat

from boxship.core import snapshots
from boxship.linux import trees as linux
from boxship.terms import errors

_DEEP = 200
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def usage(path: str) -> snapshots.Usage:
    """What a tree takes, the folder itself included: allocated blocks, and inodes, each counted once.

    Raises:
        FailedPrecondition: it is deeper than anything that honest people make.
    """
    root = os.open(path, _FOLDER)
    try:
        found = os.fstat(root)
        seen = {(found.st_dev, found.st_ino)}
        total = _usage(root, seen, 0)
        return snapshots.Usage(size=(total + found.st_blocks) * 512, inodes=len(seen))
    finally:
        os.close(root)


def _usage(folder: int, seen: set[tuple[int, int]], depth: int) -> int:
    if depth > _DEEP:
        raise errors.FailedPrecondition(f"a tree of files is deeper than {_DEEP} folders")
    blocks = 0
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed meanwhile
            key = (found.st_dev, found.st_ino)
            if key in seen:
                continue
            seen.add(key)
            blocks += found.st_blocks
            if stat.S_ISDIR(found.st_mode):
                folders.append(entry.name)
    for name in folders:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            below = os.open(name, _FOLDER, dir_fd=folder)
            try:
                blocks += _usage(below, seen, depth + 1)
            finally:
                os.close(below)
    return blocks


def remove(parent: str, name: str) -> None:
    """Remove `name` below the folder `parent`, with all that is in it; that it is gone already is fine."""
    folder = os.open(parent, _FOLDER)
    try:
        linux.remove(folder, name)
    finally:
        os.close(folder)
