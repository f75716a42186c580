"""Network links, as far as a fresh network namespace needs them: its loopback starts down."""

import errno
import fcntl
import socket
import struct

from boxship.linux import calls

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def bring_up(name: str = "lo") -> None:
    """Set a link of this network namespace up; raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
        request = struct.pack("16sh22x", name.encode()[:15], 0)
        try:
            answer = fcntl.ioctl(end, SIOCGIFFLAGS, request)
            (flags,) = struct.unpack_from("h", answer, 16)
            fcntl.ioctl(end, SIOCSIFFLAGS, struct.pack("16sh22x", name.encode()[:15], flags | IFF_UP))
        except OSError as failure:
            raise calls.error("set link up", name, failure.errno or errno.EIO) from None
