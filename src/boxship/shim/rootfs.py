"""The root file system: the mounts of a Create request, put on `rootfs` of the bundle and taken away again."""

import contextlib
import errno
import os
from collections.abc import Sequence

from boxship.linux import mounts


def mount(items: Sequence[mounts.Mount], target: str) -> None:
    """Mount all of them, or none. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(target, 0o711)
    mounts.mount_all(items, target)


def unmount(target: str) -> None:
    """Take away whatever is mounted at the folder or below it. Raises OSError."""
    try:
        mounts.umount_all(target, mounts.UMOUNT_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _unmount_below(target)


def _unmount_below(target: str) -> None:
    inside = os.path.realpath(target) + "/"
    for info in reversed(mounts.mountinfo()):
        if info.target.startswith(inside):
            mounts.umount_all(info.target, mounts.UMOUNT_NOFOLLOW)
    try:
        mounts.umount_all(target, mounts.UMOUNT_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Somebody still looks at it from elsewhere; it goes with the last of them.
        mounts.umount_all(target, mounts.UMOUNT_NOFOLLOW | mounts.MNT_DETACH)
