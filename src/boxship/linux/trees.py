"""Removing trees of files by descriptors: no link is followed, and no depth of folders is too much."""

import contextlib
import errno
import os

_DEEP = 200
"""Folders that are kept open at a time; what lies deeper is carried up before it is removed."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_at(path: str | os.PathLike[str]) -> None:
    """`remove` by a path, of which only the last part is guarded against links. Raises OSError."""
    parent, name = os.path.split(os.fspath(path))
    try:
        folder = os.open(parent or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove(folder, name)
    finally:
        os.close(folder)


def remove(folder: int, name: str | bytes) -> None:
    """Remove `name` below the descriptor `folder`, with all that is in it; that it is gone already is fine."""
    waiting = [name]
    while waiting:
        _remove(folder, waiting.pop(), folder, waiting, 0)


def _remove(parent: int, name: str | bytes, top: int, waiting: list[str | bytes], depth: int) -> None:
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as failure:
        if failure.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        os.unlink(name, dir_fd=parent)
        return
    try:
        if depth >= _DEEP:
            # As a tree of its own at the top it is removed with a fresh count of open folders.
            waiting.append(f"rm-{os.urandom(8).hex()}")
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
