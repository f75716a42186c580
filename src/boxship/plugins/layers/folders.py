"""The folders of one root, opened by path and kept open for a while.

Every path is resolved by the kernel with the root as `/` (openat2, RESOLVE_IN_ROOT): links lead where they would lead
a process inside, and never out. A folder that is kept stands for its path until something that paths may lead through
is removed: then `forget`.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple

from boxship.linux import openat2

_KEPT = 64
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DEFAULT_ACL = "system.posix_acl_default"


class Folder(NamedTuple):
    """An open folder. `plain`: what is made in it gets exactly the owner and the mode that are asked for."""

    descriptor: int
    inode: int
    plain: bool


class Folders:
    """Folders below `root`, a descriptor that stays the caller's."""

    def __init__(self, root: int, made: Callable[[bytes, int], None]) -> None:
        """Args:

        made: called with path and descriptor of each folder that had to be made on the way to another.
        """
        self._root = root
        self._made = made
        self._kept: dict[bytes, Folder] = {}
        self._last: Folder | None = None

    def of(self, path: bytes) -> Folder:
        """The folder at a cleaned path, empty for the root; it and its parents are made where they are missing.

        It stays open until some other call here. Raises OSError, ENOTDIR when a file is in the way.
        """
        found = self._kept.get(path)
        return found if found is not None else self.keep(path, self._open(path))

    def keep(self, path: bytes, descriptor: int, *, bare: bool = False) -> Folder:
        """Take over a descriptor of the folder that is at `path`; `bare`: it has no attributes, as is known."""
        found = os.fstat(descriptor)
        plain = not found.st_mode & stat.S_ISGID and (bare or _DEFAULT_ACL not in os.listxattr(descriptor))
        if len(self._kept) >= _KEPT:
            os.close(self._kept.pop(next(iter(self._kept))).descriptor)
        folder = Folder(descriptor, found.st_ino, plain)
        self._kept[path] = folder
        return folder

    def existing(self, path: bytes) -> int:
        """A fresh descriptor of the folder at `path`. Raises OSError, ENOENT when there is none."""
        return openat2.open_in_root(self._root, os.fsdecode(path), _FLAGS)

    def replace(self, path: bytes, descriptor: int, *, bare: bool = False) -> None:
        """As `keep`, where the path may be kept already."""
        if (old := self._kept.pop(path, None)) is not None:
            os.close(old.descriptor)
        self.keep(path, descriptor, bare=bare)

    def forget(self, but: Folder | None = None) -> None:
        """Let go of all paths; `but` stays open until the next call, for whoever is at work in it."""
        for folder in self._kept.values():
            if folder is not but:
                os.close(folder.descriptor)
        if self._last is not None and self._last is not but:
            os.close(self._last.descriptor)
        self._kept.clear()
        self._last = but

    def _open(self, path: bytes) -> int:
        try:
            return self.existing(path)
        except FileNotFoundError:
            return self._make(path)

    def _make(self, path: bytes) -> int:
        """Make a missing folder, its parents first."""
        parts = path.split(b"/")
        folder, there = self._deepest(parts)
        for count in range(there + 1, len(parts) + 1):
            try:
                child = self._make_one(folder, b"/".join(parts[:count]))
            finally:
                os.close(folder)
            folder = child
        return folder

    def _deepest(self, parts: Sequence[bytes]) -> tuple[int, int]:
        """The last folder on the way that exists, and how many parts lead there; all of them lead to nothing yet.

        By halves: a path may have thousands of parts, and each look walks all of it.
        """
        there, missing = 0, len(parts)
        folder = self.existing(b"")
        while missing - there > 1:
            middle = (there + missing) // 2
            try:
                found = self.existing(b"/".join(parts[:middle]))
            except FileNotFoundError:
                missing = middle
                continue
            except BaseException:
                os.close(folder)
                raise
            os.close(folder)
            folder, there = found, middle
        return folder, there

    def _make_one(self, parent: int, path: bytes) -> int:
        name = path.rpartition(b"/")[2]
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            # A link that leads nowhere: where it leads to is made, inside the root.
            os.close(openat2.make_folders(self._root, os.fsdecode(path)))
            return self.existing(path)
        made = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=parent)
        try:
            self._made(path, made)
        except BaseException:
            os.close(made)
            raise
        return made


def clean(name: bytes) -> bytes:
    """A name of an archive as a path below the root: no leading slash, no `.`, no `..`; empty for the root itself.

    `..` is taken back by its words, as Go's filepath.Clean does, and stops at the root.
    """
    if name.startswith(b"./"):
        name = name[2:]
    if name.endswith(b"/"):
        name = name.rstrip(b"/")
    if name and b"//" not in name and b"/." not in name and name[0] not in b"./":
        return name
    kept: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            with contextlib.suppress(IndexError):
                kept.pop()
        elif part and part != b".":
            kept.append(part)
    return b"/".join(kept)
