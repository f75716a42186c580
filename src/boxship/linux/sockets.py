"""Descriptors in letters between processes: unix(7), SCM_RIGHTS."""

import array
import socket

DESCRIPTOR_LIMIT = 64


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends that keep messages apart and tell when the other end is gone."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)


def send(end: socket.socket, message: bytes, descriptors: tuple[int, ...] = ()) -> None:
    if not descriptors:
        end.sendmsg([message], (), socket.MSG_NOSIGNAL)
        return
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    end.sendmsg([message], rights, socket.MSG_NOSIGNAL)


def receive(end: socket.socket, limit: int = 65536) -> tuple[bytes, list[int]]:
    """(message, descriptors), all CLOEXEC; (b"", []) when the other end is gone."""
    space = socket.CMSG_SPACE(DESCRIPTOR_LIMIT * 4)
    message, control, _, _ = end.recvmsg(limit, space, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return message, list(descriptors)
