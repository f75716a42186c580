"""Pseudo terminals: open one without trusting a path, size it, own it (pty(7), ioctl_tty(2))."""

import errno
import fcntl
import os
import stat
import struct
import termios

from boxship.linux import calls

TIOCGPTPEER = 0x5441
TIOCSPTLCK = 0x40045431
PTMX_DEVICE = (5, 2)


def check_ptmx(descriptor: int, path: str) -> None:
    """Refuse what is not the kernel's pty multiplexer."""
    found = os.fstat(descriptor)
    if not stat.S_ISCHR(found.st_mode) or (os.major(found.st_rdev), os.minor(found.st_rdev)) != PTMX_DEVICE:
        raise calls.error("open ptmx: not character device 5:2", path, errno.EPERM)


def peer(master: int) -> int:
    """The other end of the unlocked pty `master`, CLOEXEC, not as controlling terminal; found without a path."""
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    return fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def resize(descriptor: int, rows: int, columns: int) -> None:
    """Set the window's size; the foreground process group gets SIGWINCH when it changed."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0))


def size(descriptor: int) -> tuple[int, int]:
    """(rows, columns)."""
    packed = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8)
    rows, columns, _, _ = struct.unpack("HHHH", packed)
    return rows, columns


def make_controlling(descriptor: int) -> None:
    """Make it the controlling terminal of this session, whose leader must be the caller."""
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def without_onlcr(master: int) -> None:
    """Leave line ends as the program wrote them, as runc does for consoles it hands out."""
    attributes = termios.tcgetattr(master)
    attributes[1] &= ~termios.ONLCR
    termios.tcsetattr(master, termios.TCSANOW, attributes)
