"""Trees of files that strangers have made: measured, removed and copied without following a link.

All walking is by descriptors, with a bounded number of them open: a tree may be deeper than paths are long.
"""

import contextlib
import errno
import os
import secrets
import stat

from boxship.core import snapshots
from boxship.terms import errors

_DEEP = 200
"""Folders that are kept open at a time; what lies deeper is carried up before it is removed."""
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
    top = os.open(parent, _FOLDER)
    try:
        waiting = [name]
        while waiting:
            _remove(top, waiting.pop(), top, waiting, 0)
    finally:
        os.close(top)


def _remove(parent: int, name: str, top: int, waiting: list[str], depth: int) -> None:
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as exc:
        if exc.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        os.unlink(name, dir_fd=parent)
        return
    try:
        if depth >= _DEEP:
            # As a tree of its own at the top it is removed with a fresh count of open folders.
            waiting.append(f"rm-{secrets.token_hex(8)}")
            os.rename(name, waiting[-1], src_dir_fd=parent, dst_dir_fd=top)
            return
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for below, is_folder in found:
            if is_folder:
                _remove(folder, below, top, waiting, depth + 1)
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(below, dir_fd=folder)
    finally:
        os.close(folder)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)
