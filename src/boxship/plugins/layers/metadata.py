"""Owners, modes, times and extended attributes of entries, set on descriptors so that no link is ever followed."""

import errno
import os

from boxship.core import tar
from boxship.plugins.layers import faults
from boxship.terms import errors

_NO_ID = (1 << 32) - 1  # -1: chown would leave the owner alone
_MAX_TIME = (1 << 63) - 1
_DROPPED = (b"trusted.overlay.", b"user.overlay.")
"""Marks of the kernel's overlay: an image has no say in how layers are stacked."""
_LABELS = frozenset({b"security.selinux", b"security.ima", b"security.evm"})
"""What a security module of this machine gives to files; an image's idea of it is passed over."""


def owner(entry: tar.Entry) -> tuple[int, int]:
    """Raises InvalidArgument for ids that mean something else to the kernel, or nothing."""
    for what, number in (("uid", entry.uid), ("gid", entry.gid)):
        if not 0 <= number < _NO_ID:
            raise errors.InvalidArgument(f"{faults.printable(entry.name)}: {what} {number} is out of range")
    return entry.uid, entry.gid


def device(entry: tar.Entry) -> int:
    """Raises InvalidArgument for numbers that the kernel would cut (12 bits and 20 bits)."""
    major, minor = entry.device
    if not (0 <= major < 1 << 12 and 0 <= minor < 1 << 20):
        raise errors.InvalidArgument(f"{faults.printable(entry.name)}: device {major}:{minor} is out of range")
    return os.makedev(major, minor)


def time(entry: tar.Entry) -> int:
    """Nanoseconds since the epoch; what lies outside of what files can have becomes the epoch, as in containerd."""
    return entry.mtime if 0 <= entry.mtime <= _MAX_TIME else 0


def set_xattrs(target: int | str, entry: tar.Entry) -> list[str]:
    """Set the attributes that an image may have; returns what this file system would not take.

    Raises:
        InvalidArgument: a name or value that no file system takes.
        OSError: any other refusal.
    """
    refused: list[str] = []
    for name, value in entry.xattrs.items():
        if name in _LABELS or name.startswith(_DROPPED):
            refused.append(
                f"{faults.printable(entry.name)}: attribute {faults.printable(name)} is not taken from images"
            )
            continue
        try:
            os.setxattr(target, name, value)
        except OSError as exc:
            special = entry.kind not in {tar.Kind.FILE, tar.Kind.DIRECTORY, tar.Kind.LINK}
            if exc.errno == errno.ENOTSUP or (exc.errno == errno.EPERM and name.startswith(b"user.") and special):
                refused.append(f"{faults.printable(entry.name)}: attribute {faults.printable(name)}: {exc.strerror}")
                continue
            raise
    return refused
