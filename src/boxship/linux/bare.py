"""System calls for a process that must touch little memory, since what it touches it no longer shares.

What Python does to call the kernel (enumerations, descriptors of types, converted arguments) touches some hundred
pages. Here all of it is made when the module is loaded, before the fork, and the C functions are called directly.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import ctypes
import os
from collections.abc import Callable

from boxship.linux import calls, processes

CLONE_FS = 0x00000200
CLONE_FILES = 0x00000400
_NAME = b"/proc/self/comm"

_call = calls.held_libc.syscall
_call.restype = ctypes.c_long
_SUBREAPER = tuple(map(calls.Long, (calls.NUMBERS["prctl"], processes.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)))
# clone(2) in its first form: the order of what is 0 here differs between machines.
_FORK = tuple(map(calls.Long, (calls.NUMBERS["clone"], CLONE_FS | CLONE_FILES | _signal.SIGCHLD, 0, 0, 0, 0)))
_PAIR = (int(_socket.AF_UNIX), int(_socket.SOCK_SEQPACKET) | int(_socket.SOCK_CLOEXEC))


def fork_sharing() -> int:
    """fork(2), after which both have one table of descriptors, one working folder and one umask (clone(2)).

    What one opens or closes is so in the other. What os.fork does for threads and their locks is not done: for
    processes with one thread. Raises OSError.
    """
    pid: int = _call(*_FORK)
    if pid < 0:
        raise calls.error("clone")
    return pid


def set_subreaper() -> None:
    """Orphaned descendants become our children. Raises OSError."""
    if _call(*_SUBREAPER) < 0:
        raise calls.error("prctl PR_SET_CHILD_SUBREAPER")


def set_name(name: bytes) -> None:
    """What ps shows in its short form; 15 bytes count."""
    fd = os.open(_NAME, os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, name)
    os.close(fd)


def pair() -> tuple[_socket.socket, _socket.socket]:
    """As `sockets.pair`."""
    return _socket.socketpair(*_PAIR)


def handle(number: int, handler: Callable[[int, object], None]) -> None:
    """signal(2), without the enumerations of Python's module."""
    _signal.signal(number, handler)


def wakeup() -> int:
    """A descriptor that becomes readable when a child has ended, of this process only; see signal(7).

    A former one is left open and no longer written to.
    """
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    # The handler does nothing, but without one there is no wakeup; unlike "ignore" it does not pass an execve.
    _signal.signal(_signal.SIGCHLD, _nothing)
    _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _nothing(_number: int, _frame: object) -> None:
    pass
