"""A tree of files copied whole: owners, modes, times, extended attributes, hard links, holes, devices.

File data is cloned where the file system can (FICLONE), else copied inside the kernel (copy_file_range), hole by hole.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from boxship.linux import files
from boxship.terms import errors

_DEEP = 200
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTTY, errno.EPERM, errno.ETXTBSY}


class Copier:
    """Copies one tree. Hard links within it stay hard links."""

    def __init__(self, source: str, target: str) -> None:
        """Both folders exist; what `target` has of the same names is in the way."""
        self._source = source
        self._target = target
        self._links: dict[tuple[int, int], str] = {}
        self._top = -1
        self._clone = True

    def run(self) -> None:
        """Raises FailedPrecondition for a tree that is deeper than anything that honest people make."""
        source = os.open(self._source, _FOLDER)
        try:
            self._top = os.open(self._target, _FOLDER)
            try:
                self._folder(source, self._top, "", 0)
            finally:
                os.close(self._top)
        finally:
            os.close(source)

    def _folder(self, source: int, target: int, path: str, depth: int) -> None:
        if depth > _DEEP:
            raise errors.FailedPrecondition(f"a tree of files is deeper than {_DEEP} folders")
        with os.scandir(source) as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        for name, about in found:
            self._entry(source, target, name, about, f"{path}/{name}" if path else name, depth)
        _xattrs(source, target)
        _attributes(target, os.fstat(source))

    def _entry(self, source: int, target: int, name: str, about: os.stat_result, path: str, depth: int) -> None:
        if about.st_nlink > 1 and not stat.S_ISDIR(about.st_mode):
            known = self._links.setdefault((about.st_dev, about.st_ino), path)
            if known != path:
                os.link(known, name, src_dir_fd=self._top, dst_dir_fd=target, follow_symlinks=False)
                return
        if stat.S_ISDIR(about.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            with _opened(source, name, _FOLDER) as below, _opened(target, name, _FOLDER) as made:
                self._folder(below, made, path, depth + 1)
        elif stat.S_ISREG(about.st_mode):
            with (
                _opened(source, name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC) as file,
                _opened(target, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC) as made,
            ):
                self._data(file, made, about.st_size)
                _attributes(made, about, times=False)
                _xattrs(file, made)
                _times(made, about)
        else:
            self._special(source, target, name, about)

    def _special(self, source: int, target: int, name: str, about: os.stat_result) -> None:
        if stat.S_ISLNK(about.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            os.mknod(name, about.st_mode, about.st_rdev, dir_fd=target)
        os.chown(name, about.st_uid, about.st_gid, dir_fd=target, follow_symlinks=False)
        if not stat.S_ISLNK(about.st_mode):
            os.chmod(name, stat.S_IMODE(about.st_mode), dir_fd=target)
        with (
            _opened(source, name, os.O_PATH | os.O_NOFOLLOW) as old,
            _opened(target, name, os.O_PATH | os.O_NOFOLLOW) as new,
        ):
            _xattrs_by_path(f"/proc/self/fd/{old}", f"/proc/self/fd/{new}")
        os.utime(name, ns=(about.st_atime_ns, about.st_mtime_ns), dir_fd=target, follow_symlinks=False)

    def _data(self, source: int, target: int, size: int) -> None:
        if self._clone and size:
            try:
                files.clone(source, target)
            except OSError as exc:
                if exc.errno not in _UNSUPPORTED:
                    raise
                self._clone = False  # nor will it for the next file
            else:
                return
        os.ftruncate(target, size)
        offset = 0
        while offset < size:
            try:
                begin = os.lseek(source, offset, os.SEEK_DATA)
            except OSError as exc:
                if exc.errno == errno.ENXIO:
                    return  # only a hole is left
                raise
            offset = os.lseek(source, begin, os.SEEK_HOLE)
            _copy_range(source, target, begin, offset)


def _copy_range(source: int, target: int, begin: int, end: int) -> None:
    while begin < end:
        try:
            done = os.copy_file_range(source, target, end - begin, begin, begin)
        except OSError as exc:
            if exc.errno not in _UNSUPPORTED:
                raise
            done = os.pwrite(target, os.pread(source, min(end - begin, 1 << 20), begin), begin)
        if not done:
            raise errors.DataLoss("a file became shorter while it was copied")
        begin += done


def _attributes(target: int, about: os.stat_result, *, times: bool = True) -> None:
    os.fchown(target, about.st_uid, about.st_gid)
    os.fchmod(target, stat.S_IMODE(about.st_mode))  # after chown, which takes setuid away
    if times:
        _times(target, about)


def _times(target: int, about: os.stat_result) -> None:
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))


def _xattrs(source: int, target: int) -> None:
    for name in os.listxattr(source):
        with contextlib.suppress(OSError):  # security.* cannot always be copied
            os.setxattr(target, name, os.getxattr(source, name))


def _xattrs_by_path(source: str, target: str) -> None:
    """Of links and devices, through the descriptors' magic links, which lead to the very inode."""
    with contextlib.suppress(OSError):
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))


@contextlib.contextmanager
def _opened(folder: int, name: str, flags: int) -> Iterator[int]:
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
