"""An archive becomes files below one folder, and nowhere else.

Rules: names are resolved inside the folder, through the links that are there; nothing at a name's end is ever
followed; the last entry of a name wins; folders are merged; a whiteout takes away what is there, an opaque mark what
lower layers have and never what this archive brought; a folder's time is set when nothing more is put into it. Where the folder is the upper one of an
overlay, whiteouts are written as the overlay keeps them; elsewhere what they hide is removed.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from boxship.core import tar
from boxship.linux import openat2, trees
from boxship.plugins.layers import faults, folders, metadata
from boxship.terms import errors

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_WARNINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to apply.

    Attributes:
        overlay: the prefix of overlay's own attributes (`trusted.` or `user.`) when the folder is an upper one.
        lowers: folders of the layers below, newest first, whose attributes a folder gets that is made on the way.
        max_size: the most bytes that all files together may have, holes counted.
        max_entries: the most entries.
        exact: the umask is 0, so that new files have the mode that was asked for.
    """

    overlay: str = ""
    lowers: Sequence[str] = ()
    max_size: int = 1 << 42
    max_entries: int = 50_000_000
    exact: bool = False


class Applier:
    """Applies one archive to the folder `root`, a descriptor. For one thread."""

    def __init__(self, root: int, options: Options) -> None:
        self.warnings: list[str] = []
        self._root = root
        self._options = options
        self._folders = folders.Folders(root, self._made)
        self._times: dict[bytes, dict[bytes, int]] = {}  # of folders: by the path above, by their name
        self._ours: set[tuple[int, bytes]] = set()
        self._size = 0
        self._exact = options.exact and os.geteuid() == 0
        self._makers: dict[tar.Kind, Callable[[tar.Entry, folders.Folder, bytes, bytes], None]] = {
            tar.Kind.LINK: self._link,
            tar.Kind.SYMLINK: self._symlink,
            tar.Kind.CHARACTER: self._node,
            tar.Kind.BLOCK: self._node,
            tar.Kind.FIFO: self._node,
            tar.Kind.DIRECTORY: self._directory,
        }

    def run(self, reader: tar.Reader) -> None:
        """Raises errors with a class; the folder then holds what came before."""
        count = 0
        try:
            for entry in reader:
                count += 1
                self._bound(entry, count)
                path = folders.clean(entry.name)
                if not path:
                    continue  # the root stays as it is, whatever an archive says that it be
                try:
                    self._entry(reader, entry, path)
                except OSError as exc:
                    raise self._fault(exc, entry) from exc
            self._set_times()
        finally:
            self._folders.forget()

    def _bound(self, entry: tar.Entry, count: int) -> None:
        self._size += entry.size
        if self._size > self._options.max_size:
            raise errors.ResourceExhausted(f"the layer's files have more than {self._options.max_size} bytes")
        if count > self._options.max_entries:
            raise errors.ResourceExhausted(f"the layer has more than {self._options.max_entries} entries")

    def _fault(self, exc: OSError, entry: tar.Entry) -> errors.Error:
        where = f"failed to apply {faults.printable(entry.name)}"
        if exc.errno == errno.EINVAL and max(entry.uid, entry.gid) > 0 and not _initial_user_namespace():
            return errors.InvalidArgument(
                f"{where}: owner {entry.uid}:{entry.gid} is not mapped here; try increasing the number of subordinate "
                "ids in /etc/subuid and /etc/subgid"
            )
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            return errors.no_space(where, os.readlink(f"/proc/self/fd/{self._root}"), exc.strerror or "")
        return faults.of(exc, where)

    def _entry(self, reader: tar.Reader, entry: tar.Entry, path: bytes) -> None:
        above, _, name = path.rpartition(b"/")
        if name.startswith(_WHITEOUT):
            _check_whiteout(name)
            folder = self._folders.of(above)
            if name == _OPAQUE:
                self._make_opaque(folder)
            else:
                self._whiteout(entry, folder, name[len(_WHITEOUT) :])
            return
        folder = self._folders.of(above)
        if entry.kind is tar.Kind.FILE:
            self._file(reader, entry, folder, name)
        elif (make := self._makers.get(entry.kind)) is not None:
            make(entry, folder, name, path)
        else:
            raise errors.InvalidArgument(f"unhandled tar header type of {faults.printable(entry.name)}")
        if not self._options.overlay:
            self._ours.add((folder.inode, name))

    def _file(self, reader: tar.Reader, entry: tar.Entry, folder: folders.Folder, name: bytes) -> None:
        uid, gid = metadata.owner(entry)
        try:
            descriptor = os.open(name, _CREATE, entry.mode, dir_fd=folder.descriptor)
        except FileExistsError:
            self._clear(folder, name)
            descriptor = os.open(name, _CREATE, entry.mode, dir_fd=folder.descriptor)
        try:
            if entry.sparse is None:
                while chunk := reader.take():
                    done = os.write(descriptor, chunk)
                    while done < len(chunk):
                        done += os.write(descriptor, chunk[done:])
            else:
                _write_sparse(reader, entry, descriptor)
            exact = folder.plain and self._exact
            if uid or gid or not exact:
                os.fchown(descriptor, uid, gid)
            if entry.mode & 0o7000 or not exact:
                os.fchmod(descriptor, entry.mode)  # after chown, which takes setuid away
            if entry.xattrs:
                self._warn(metadata.set_xattrs(descriptor, entry))
            os.utime(descriptor, ns=(time := metadata.time(entry), time))
        finally:
            os.close(descriptor)

    def _directory(self, entry: tar.Entry, folder: folders.Folder, name: bytes, path: bytes) -> None:
        uid, gid = metadata.owner(entry)
        replaced = False
        done = self._exact and folder.plain and not (uid or gid or entry.mode & 0o7000)
        bare = folder.plain and not entry.xattrs
        try:
            os.mkdir(name, entry.mode if done else 0o700, dir_fd=folder.descriptor)
        except FileExistsError:
            done = bare = False
            if not stat.S_ISDIR(os.lstat(name, dir_fd=folder.descriptor).st_mode):
                replaced = True
                self._clear(folder, name)
                os.mkdir(name, 0o700, dir_fd=folder.descriptor)
        descriptor = os.open(name, _FOLDER, dir_fd=folder.descriptor)
        try:
            if not done:
                os.fchown(descriptor, uid, gid)
                os.fchmod(descriptor, entry.mode)
            if entry.xattrs:
                self._warn(metadata.set_xattrs(descriptor, entry))
            if replaced and self._options.overlay:
                # What it replaced hid a lower folder of this name; a fresh folder would show it again.
                os.setxattr(descriptor, f"{self._options.overlay}overlay.opaque", b"y")
        except BaseException:
            os.close(descriptor)
            raise
        self._folders.replace(path, descriptor, bare=bare)
        self._times.setdefault(path.rpartition(b"/")[0], {})[name] = metadata.time(entry)

    def _symlink(self, entry: tar.Entry, folder: folders.Folder, name: bytes, _path: bytes) -> None:
        self._create(folder, name, lambda: os.symlink(entry.linkname, name, dir_fd=folder.descriptor))
        self._finish(entry, folder, name)

    def _link(self, entry: tar.Entry, folder: folders.Folder, name: bytes, path: bytes) -> None:
        """A hard link to an earlier entry: to a link itself where that is one."""
        target = folders.clean(entry.linkname)
        above, _, base = target.rpartition(b"/")
        if not target or target == path:
            raise errors.InvalidArgument(f"{faults.printable(entry.name)} is a hard link to nothing else")
        parent = self._folders.existing(above)
        try:
            found = os.lstat(base, dir_fd=parent)
            if stat.S_ISDIR(found.st_mode):
                raise errors.InvalidArgument(f"{faults.printable(entry.name)} is a hard link to a folder")

            def make() -> None:
                os.link(base, name, src_dir_fd=parent, dst_dir_fd=folder.descriptor, follow_symlinks=False)

            self._create(folder, name, make)
        finally:
            os.close(parent)
        self._finish(entry, folder, name)

    def _node(self, entry: tar.Entry, folder: folders.Folder, name: bytes, _path: bytes) -> None:
        number = 0
        if entry.kind is tar.Kind.FIFO:
            mode = stat.S_IFIFO
        else:
            mode = stat.S_IFCHR if entry.kind is tar.Kind.CHARACTER else stat.S_IFBLK
            number = metadata.device(entry)
        try:
            self._create(folder, name, lambda: os.mknod(name, mode | entry.mode, number, dir_fd=folder.descriptor))
        except PermissionError:
            if entry.kind is tar.Kind.FIFO or _initial_user_namespace():
                raise
            self._warn([f"{faults.printable(entry.name)}: devices cannot be made in a user namespace"])
            return
        self._finish(entry, folder, name)

    def _create(self, folder: folders.Folder, name: bytes, make: Callable[[], None]) -> None:
        """Make something where nothing may be yet."""
        try:
            make()
        except FileExistsError:
            self._clear(folder, name)
            make()

    def _finish(self, entry: tar.Entry, folder: folders.Folder, name: bytes) -> None:
        """Owner, mode, attributes and time of what is no file with data and no folder."""
        uid, gid = metadata.owner(entry)
        handle = os.open(name, _HANDLE, dir_fd=folder.descriptor)
        try:
            # The name in /proc leads to the inode that was opened, whatever it is, and no further.
            place = f"/proc/self/fd/{handle}"
            found = os.fstat(handle)
            if (found.st_uid, found.st_gid) != (uid, gid):  # of a hard link it would take the capabilities away
                os.chown(name, uid, gid, dir_fd=folder.descriptor, follow_symlinks=False)
                found = os.fstat(handle)
            if not stat.S_ISLNK(found.st_mode) and stat.S_IMODE(found.st_mode) != entry.mode:
                os.chmod(place, entry.mode)
            if entry.xattrs:
                self._warn(metadata.set_xattrs(place, entry))
        finally:
            os.close(handle)
        time = metadata.time(entry)
        os.utime(name, ns=(time, time), dir_fd=folder.descriptor, follow_symlinks=False)

    def _clear(self, folder: folders.Folder, name: bytes) -> None:
        """Take away what has a name. Paths that led through it lead there no more."""
        mode = os.lstat(name, dir_fd=folder.descriptor).st_mode
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            self._folders.forget(but=folder)
        if stat.S_ISDIR(mode):
            trees.remove(folder.descriptor, name)
        else:
            os.unlink(name, dir_fd=folder.descriptor)

    def _whiteout(self, entry: tar.Entry, folder: folders.Folder, name: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._clear(folder, name)
        if self._options.overlay:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=folder.descriptor)
            uid, gid = metadata.owner(entry)
            os.chown(name, uid, gid, dir_fd=folder.descriptor, follow_symlinks=False)

    def _make_opaque(self, folder: folders.Folder) -> None:
        if self._options.overlay:
            os.setxattr(folder.descriptor, f"{self._options.overlay}overlay.opaque", b"y")
            return
        self._folders.forget(but=folder)
        self._empty(folder.descriptor, folder.inode, 0)

    def _empty(self, descriptor: int, inode: int, depth: int) -> bool:
        """Remove from a folder what this archive did not bring. False when something stays."""
        if depth > 200:
            raise errors.InvalidArgument("an opaque folder is deeper than 200 folders")
        empty = True
        with os.scandir(descriptor) as entries:
            found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_folder in found:
            kept = (inode, name) in self._ours
            if is_folder:
                below = os.open(name, _FOLDER, dir_fd=descriptor)
                try:
                    kept |= not self._empty(below, os.fstat(below).st_ino, depth + 1)
                finally:
                    os.close(below)
                if not kept:
                    os.rmdir(name, dir_fd=descriptor)
            elif not kept:
                os.unlink(name, dir_fd=descriptor)
            empty &= not kept
        return empty

    def _made(self, path: bytes, descriptor: int) -> None:
        """A folder was made on the way: below an overlay it hides one whose owner and mode it shall have."""
        os.fchmod(descriptor, 0o755)
        for lower in self._options.lowers:
            try:
                root = os.open(lower, _FOLDER)
            except FileNotFoundError:
                continue
            try:
                found = openat2.open_in_root(root, os.fsdecode(path))
            except FileNotFoundError:
                continue
            except OSError:
                return
            finally:
                os.close(root)
            try:
                self._like(descriptor, found)
            finally:
                os.close(found)
            return

    def _like(self, descriptor: int, lower: int) -> None:
        about = os.fstat(lower)
        if not stat.S_ISDIR(about.st_mode):
            return  # replaced
        os.fchown(descriptor, about.st_uid, about.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(about.st_mode))
        place = f"/proc/self/fd/{lower}"
        for name in os.listxattr(place):
            if not name.startswith(("trusted.overlay.", "user.overlay.")):
                os.setxattr(descriptor, name, os.getxattr(place, name))

    def _set_times(self) -> None:
        """Folders' times, now that nothing is put into them any more."""
        for above, times in self._times.items():
            try:
                parent = self._folders.existing(above)
            except OSError:
                continue  # it has been replaced since
            try:
                for name, time in times.items():
                    _set_time(parent, name, time)
            finally:
                os.close(parent)

    def _warn(self, texts: Sequence[str]) -> None:
        self.warnings.extend(texts[: _MAX_WARNINGS - len(self.warnings)])


def _set_time(parent: int, name: bytes, time: int) -> None:
    """Of a folder, if it is still there."""
    try:
        if stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
            os.utime(name, ns=(time, time), dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return


def _check_whiteout(name: bytes) -> None:
    if name[len(_WHITEOUT) :] in {b"", b".", b".."}:
        raise errors.InvalidArgument(f"invalid whiteout name: {faults.printable(name)}: invalid archive")


def _write_sparse(reader: tar.Reader, entry: tar.Entry, descriptor: int) -> None:
    os.ftruncate(descriptor, entry.size)
    extents = iter([(offset, length) for offset, length in entry.sparse or () if length])
    offset, left = 0, 0
    for chunk in reader.chunks():
        while chunk:
            if not left:
                offset, left = next(extents)
            done = os.pwrite(descriptor, chunk[:left], offset)
            offset, left, chunk = offset + done, left - done, chunk[done:]  # noqa: PLW2901  what is left of it


def _initial_user_namespace() -> bool:
    with open("/proc/self/uid_map", "rb") as file:
        return file.read(4096).split() == [b"0", b"0", b"4294967295"]
