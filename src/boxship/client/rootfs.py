"""Looking into an image's files, for the little that a client must know of them: who its users are."""

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from boxship.core import mounts, specs, users
from boxship.linux import mounts as kernel
from boxship.linux import openat2
from boxship.terms import errors

LIMIT = 1 << 20
"""Bytes of passwd or group that are read; more is an attack on the reader."""


def resolve_user(text: str, items: Sequence[mounts.Mount]) -> specs.User:
    """The numbers of an image's USER, with the files of the file system that `items` mount.

    Raises:
        InvalidArgument: see core.users.resolve; or passwd or group are no ordinary small files.
        PermissionDenied: mounting needs root.
    """
    with _mounted(items) as root:
        return users.resolve(text, _read(root, "etc/passwd"), _read(root, "etc/group"))


def resolve_user_of(text: str, pid: int) -> specs.User:
    """The same with the files that a running process of the container sees.

    Raises:
        InvalidArgument: see `resolve_user`.
        NotFound: the process is gone.
        PermissionDenied: its files are for root to see.
    """
    try:
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise errors.NotFound(f"process {pid} of the container") from exc
    except PermissionError as exc:
        raise errors.PermissionDenied(f"/proc/{pid}/root: {exc.strerror}; run this as root") from exc
    try:
        return users.resolve(text, _read(root, "etc/passwd"), _read(root, "etc/group"))
    finally:
        os.close(root)


@contextmanager
def _mounted(items: Sequence[mounts.Mount]) -> Iterator[int]:
    folder = tempfile.mkdtemp(prefix="boxship-rootfs-")
    try:
        kernel.mount_all([_reading(item) for item in items], folder)
        try:
            root = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                yield root
            finally:
                os.close(root)
        finally:
            kernel.umount(folder, kernel.MNT_DETACH)
    except PermissionError as exc:
        raise errors.PermissionDenied(f"mount of the image's files: {exc.strerror}; run this as root") from exc
    finally:
        os.rmdir(folder)


def _reading(item: mounts.Mount) -> kernel.Mount:
    """The same mount, read-only: an overlay without its upper and work folders, so that nothing can be changed."""
    options = tuple(option for option in item.options if option not in {"rw", "ro"})
    if item.type == "overlay":
        return _overlay_for_reading(item, options)
    return kernel.Mount(type=item.type, source=item.source, target=item.target, options=(*options, "ro"))


def _overlay_for_reading(item: mounts.Mount, options: tuple[str, ...]) -> kernel.Mount:
    kept = [option for option in options if not option.startswith(("upperdir=", "workdir=", "lowerdir="))]
    upper = [option.removeprefix("upperdir=") for option in options if option.startswith("upperdir=")]
    lower = [option.removeprefix("lowerdir=") for option in options if option.startswith("lowerdir=")]
    stack = ":".join([*upper, *lower])
    return kernel.Mount(
        type="overlay", source=item.source, target=item.target, options=(*kept, f"lowerdir={stack}", "ro")
    )


def _read(root: int, path: str) -> bytes:
    try:
        descriptor = openat2.open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as exc:
        raise errors.InvalidArgument(f"/{path} of the image cannot be opened: {exc.strerror}") from exc
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > LIMIT:
            raise errors.InvalidArgument(f"/{path} of the image is no ordinary file of at most {LIMIT} bytes")
        return file.read(LIMIT)
