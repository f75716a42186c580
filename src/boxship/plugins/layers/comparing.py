"""The difference of two trees of files as an archive: what leads from the lower one to the upper one.

The same trees give the same bytes: entries come in order of their names, times in whole seconds, without user names.
What was deleted becomes a whiteout; the folders above a change come before it. An overlay's upper folder says by
itself what was touched, so only that is looked at; otherwise both trees are walked side by side.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from boxship.core import tar, tar_output
from boxship.core.tar_headers import SECOND
from boxship.plugins.layers import compressors, faults
from boxship.terms import errors

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEP = 200
_PIECE = 1 << 20
_KINDS = {
    stat.S_IFREG: tar.Kind.FILE,
    stat.S_IFDIR: tar.Kind.DIRECTORY,
    stat.S_IFLNK: tar.Kind.SYMLINK,
    stat.S_IFCHR: tar.Kind.CHARACTER,
    stat.S_IFBLK: tar.Kind.BLOCK,
    stat.S_IFIFO: tar.Kind.FIFO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`overlay`: the prefix of overlay's attributes when the upper folder is an overlay's own; `clamp`: no file's time
    is later, in nanoseconds since the epoch.
    """

    overlay: str = ""
    clamp: int | None = None


def write(output: int, lower: int, upper: int, media_type: str, options: Options) -> str:
    """Write the layer to a descriptor; returns the digest of the uncompressed archive.

    `lower` and `upper` are descriptors of folders; `lower` may be -1 for nothing at all.
    """
    sink = _Sink(output, compressors.compressor(media_type))
    _Comparison(sink, options).run(lower, upper)
    return sink.close()


class _Sink:
    """Compresses and hashes what is written."""

    def __init__(self, output: int, compressor: compressors.Compressor) -> None:
        self._output = output
        self._compressor = compressor
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self._put(self._compressor.compress(data))

    def close(self) -> str:
        self.write(tar_output.END)
        self._put(self._compressor.flush())
        return f"sha256:{self._hash.hexdigest()}"

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._output, view) :]


class _Comparison:
    def __init__(self, sink: _Sink, options: Options) -> None:
        self._sink = sink
        self._options = options
        self._written: set[bytes] = set()
        self._above: list[tuple[bytes, int]] = []
        self._sources: dict[int, bytes] = {}
        self._unchanged_links: dict[int, list[bytes]] = {}

    def run(self, lower: int, upper: int) -> None:
        self._folder(b"", lower, upper)

    def _folder(self, path: bytes, lower: int, upper: int) -> None:
        """Compare two open folders; `lower` is -1 where there is none."""
        if len(self._above) > _DEEP:
            raise errors.FailedPrecondition(f"a tree of files is deeper than {_DEEP} folders")
        names = set(os.listdir(f"/proc/self/fd/{upper}".encode()))
        both = set(names)
        if lower >= 0 and (not self._options.overlay or self._opaque(upper)):
            both |= set(os.listdir(f"/proc/self/fd/{lower}".encode()))
        self._above.append((path, upper))
        for name in sorted(both):
            below = path + b"/" + name if path else name
            try:
                self._name(below, name, lower, upper, there=name in names)
            except FileNotFoundError:
                continue  # it has gone while we looked, as things do in a running container
            except OSError as exc:
                raise faults.of(exc, f"failed to compare {faults.printable(below)}") from exc
        self._above.pop()

    def _name(self, path: bytes, name: bytes, lower: int, upper: int, *, there: bool) -> None:
        old = _lstat(name, lower) if lower >= 0 else None
        new = os.lstat(name, dir_fd=upper) if there else None
        if new is None or (self._options.overlay and stat.S_ISCHR(new.st_mode) and not new.st_rdev):
            if old is not None:
                self._whiteout(path)
            return
        if name.startswith(b".wh."):
            raise errors.InvalidArgument(f"{faults.printable(path)}: a layer cannot have a file of this name")
        changed = old is None or not self._same(name, lower, upper, old, new)
        self._change(path, name, upper, new, changed=changed)
        if stat.S_ISDIR(new.st_mode):
            with _opened(name, upper) as folder:
                if old is not None and stat.S_ISDIR(old.st_mode):
                    with _opened(name, lower) as below:
                        self._folder(path, below, folder)
                else:
                    self._folder(path, -1, folder)

    def _opaque(self, folder: int) -> bool:
        return _xattr(folder, f"{self._options.overlay}overlay.opaque") in {b"y", b"x"}

    def _same(self, name: bytes, lower: int, upper: int, old: os.stat_result, new: os.stat_result) -> bool:
        if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino):
            return True
        if (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) != (new.st_mode, new.st_uid, new.st_gid, new.st_rdev):
            return False
        if _xattrs(name, lower, old) != _xattrs(name, upper, new):
            return False
        if stat.S_ISDIR(new.st_mode):
            return True
        if old.st_size != new.st_size or old.st_mtime_ns // SECOND != new.st_mtime_ns // SECOND:
            return False
        if stat.S_ISLNK(new.st_mode):
            return os.readlink(name, dir_fd=lower) == os.readlink(name, dir_fd=upper)
        whole_seconds = not old.st_mtime_ns % SECOND or not new.st_mtime_ns % SECOND
        if stat.S_ISREG(new.st_mode) and whole_seconds:
            # One of them came out of an archive, which keeps no more than seconds.
            return _same_content(name, lower, upper)
        return old.st_mtime_ns == new.st_mtime_ns

    def _change(self, path: bytes, name: bytes, folder: int, about: os.stat_result, *, changed: bool) -> None:
        kind = _KINDS.get(stat.S_IFMT(about.st_mode))
        if kind is None:
            return  # a socket belongs to whoever listens
        again: list[bytes] = []
        if about.st_nlink > 1 and kind is not tar.Kind.DIRECTORY:
            source = self._sources.get(about.st_ino)
            if source is not None:
                self._put(
                    self._entry(path, name, folder, about, kind)._replace(kind=tar.Kind.LINK, linkname=source, size=0)
                )
                return
            if not changed:
                self._unchanged_links.setdefault(about.st_ino, []).append(path)
                return
            self._sources[about.st_ino] = path
            again = self._unchanged_links.pop(about.st_ino, [])
        elif not changed:
            return
        entry = self._entry(path, name, folder, about, kind)
        self._parents(path)
        if kind is tar.Kind.FILE:
            self._file(entry, name, folder)
        else:
            self._put(entry)
        if kind is tar.Kind.DIRECTORY:
            self._written.add(path)
        for other in again:
            self._put(entry._replace(name=other, kind=tar.Kind.LINK, linkname=path, size=0))

    def _whiteout(self, path: bytes) -> None:
        above, slash, name = path.rpartition(b"/")
        self._parents(path)
        self._put(tar.Entry(tar.Kind.FILE, above + slash + b".wh." + name, mode=0))

    def _parents(self, path: bytes) -> None:
        """The folders on the way that are not in the archive yet."""
        for above, descriptor in self._above[1:]:
            if above not in self._written and path.startswith(above + b"/"):
                self._written.add(above)
                about = os.fstat(descriptor)
                name = above.rpartition(b"/")[2]
                self._put(self._entry(above, name, -1, about, tar.Kind.DIRECTORY, descriptor=descriptor))

    def _entry(
        self, path: bytes, name: bytes, folder: int, about: os.stat_result, kind: tar.Kind, *, descriptor: int = -1
    ) -> tar.Entry:
        time = about.st_mtime_ns if self._options.clamp is None else min(about.st_mtime_ns, self._options.clamp)
        is_device = kind in {tar.Kind.CHARACTER, tar.Kind.BLOCK}
        return tar.Entry(
            kind,
            path + b"/" if kind is tar.Kind.DIRECTORY else path,
            os.readlink(name, dir_fd=folder) if kind is tar.Kind.SYMLINK else b"",
            stat.S_IMODE(about.st_mode),
            about.st_uid,
            about.st_gid,
            about.st_size if kind is tar.Kind.FILE else 0,
            time // SECOND * SECOND,
            (os.major(about.st_rdev), os.minor(about.st_rdev)) if is_device else (0, 0),
            _xattrs_of(f"/proc/self/fd/{descriptor}") if descriptor >= 0 else _xattrs(name, folder, about),
        )

    def _put(self, entry: tar.Entry) -> None:
        if entry.kind is tar.Kind.LINK:
            self._parents(entry.name)
        self._sink.write(tar_output.header(entry))

    def _file(self, entry: tar.Entry, name: bytes, folder: int) -> None:
        descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            self._put(entry)
            left = entry.size
            while left and (data := os.read(descriptor, min(left, _PIECE))):
                self._sink.write(data)
                left -= len(data)
        finally:
            os.close(descriptor)
        if left:
            raise errors.Aborted(f"{faults.printable(entry.name)} became shorter while it was read")
        self._sink.write(tar_output.padding(entry.size))


@contextlib.contextmanager
def _opened(name: bytes, folder: int) -> Iterator[int]:
    descriptor = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lstat(name: bytes, folder: int) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None


def _xattr(target: int, name: str) -> bytes:
    try:
        return os.getxattr(target, name)
    except OSError:
        return b""


def _xattrs(name: bytes, folder: int, about: os.stat_result) -> dict[bytes, bytes]:
    if stat.S_ISLNK(about.st_mode):
        return {}
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        return _xattrs_of(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def _xattrs_of(place: str) -> dict[bytes, bytes]:
    """What a layer carries: capabilities, access lists and what users wrote; neither labels nor overlay's marks."""
    try:
        names = sorted(os.listxattr(place))
    except OSError:
        return {}
    wanted = [
        name
        for name in names
        if name in {"security.capability", "system.posix_acl_access", "system.posix_acl_default"}
        or (name.startswith("user.") and not name.startswith("user.overlay."))
    ]
    return {os.fsencode(name): os.getxattr(place, name) for name in wanted}


def _same_content(name: bytes, lower: int, upper: int) -> bool:
    with contextlib.ExitStack() as stack:
        one, two = (
            stack.enter_context(os.fdopen(os.open(name, _FILE, dir_fd=folder), "rb")) for folder in (lower, upper)
        )
        while True:
            data = one.read(_PIECE)
            if data != two.read(_PIECE):
                return False
            if not data:
                return True
