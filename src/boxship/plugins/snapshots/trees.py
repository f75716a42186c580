"""Trees of files that strangers have made: measured and removed without following a link.

All walking is by descriptors, with a bounded number of them open: a tree may be deeper than paths are long.
"""

import os

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
        blocks, inodes = _usage(root, set(), 0)
        return snapshots.Usage(size=blocks * 512, inodes=inodes)
    finally:
        os.close(root)


def _usage(folder: int, seen: set[tuple[int, int]], depth: int) -> tuple[int, int]:
    """Blocks and inodes of a folder and all that is in it; `seen` are those that have several names."""
    if depth > _DEEP:
        raise errors.FailedPrecondition(f"a tree of files is deeper than {_DEEP} folders")
    blocks, inodes = os.fstat(folder).st_blocks, 1
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed meanwhile
            if found.st_nlink > 1:
                key = (found.st_dev, found.st_ino)
                if key in seen:
                    continue
                seen.add(key)
            blocks += found.st_blocks
            inodes += 1
    for name in folders:
        try:
            below = os.open(name, _FOLDER, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            continue  # removed meanwhile
        try:
            more, names = _usage(below, seen, depth + 1)
        finally:
            os.close(below)
        blocks += more
        inodes += names
    return blocks, inodes


def remove(parent: str, name: str) -> None:
    """Remove `name` below the folder `parent`, with all that is in it; that it is gone already is fine."""
    folder = os.open(parent, _FOLDER)
    try:
        linux.remove(folder, name)
    finally:
        os.close(folder)
