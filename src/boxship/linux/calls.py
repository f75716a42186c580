"""How a call reaches the kernel: libc, the numbers of what libc lacks, and errors that say which call and what path.

Numbers are those of asm/unistd_64.h on x86-64 and of asm-generic/unistd.h on arm64; from 424 on they are the same.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
# For calls after which two processes run on: the interpreter lock must not be given up around them.
held_libc = ctypes.PyDLL(None, use_errno=True)

MACHINE = os.uname().machine
_COLUMN = {"x86_64": 0, "aarch64": 1}.get(MACHINE, 0)

_NUMBERS: dict[str, tuple[int, int]] = {
    "clone": (56, 220),
    "prctl": (157, 167),
    "capget": (125, 90),
    "capset": (126, 91),
    "pivot_root": (155, 41),
    "keyctl": (250, 219),
    "ioprio_set": (251, 30),
    "set_mempolicy": (238, 237),
    "sched_setattr": (314, 274),
    "seccomp": (317, 277),
    "bpf": (321, 280),
    "pidfd_send_signal": (424, 424),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "close_range": (436, 436),
    "openat2": (437, 437),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
}
NUMBERS = {name: columns[_COLUMN] for name, columns in _NUMBERS.items()}

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_NOFOLLOW = 0x100

_syscall = libc.syscall
_syscall.restype = ctypes.c_long
Long = ctypes.c_long

_ADVICE = {
    errno.ENOSYS: "this kernel does not have the call; boxship wants Linux 5.12 or newer, or a seccomp filter around "
    "this process hides it",
    errno.EPERM: "the process lacks the privilege, or a seccomp filter or security module around it forbids the call",
}


def encoded(path: str | bytes | None) -> bytes | None:
    """`path` as the kernel wants it; a string with a NUL in it is refused, since the kernel would cut it there."""
    if path is None:
        return None
    raw = os.fsencode(path)
    if b"\0" in raw:
        raise ValueError(f"embedded null byte in {path!r}")
    return raw


def error(call: str, path: str | bytes | None = None, code: int | None = None) -> OSError:
    """The OSError of the last call (or of `code`), with the call's name, the path, and advice where there is any."""
    number = ctypes.get_errno() if code is None else code
    text = f"{call}: {os.strerror(number)}"
    advice = _ADVICE.get(number)
    if advice:
        text += f" ({advice})"
    return OSError(number, text) if path is None else OSError(number, text, os.fsdecode(path))


def checked(result: int, call: str, path: str | bytes | None = None) -> int:
    """`result`, or the error when it is negative."""
    if result < 0:
        raise error(call, path)
    return result


def syscall(call: str, *arguments: Any, path: str | bytes | None = None) -> int:
    """A call by number. Integers are passed as C longs, so that flags above 31 bits and AT_FDCWD arrive whole."""
    converted = [Long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _syscall(Long(NUMBERS[call]), *converted)
    if result < 0:
        raise error(call, path)
    return result


def function(name: str, *argument_types: Any) -> Callable[..., int]:
    """A function of libc with its argument types declared, returning a C int."""
    found = getattr(libc, name)
    found.argtypes = argument_types
    found.restype = ctypes.c_int
    return found  # type: ignore[no-any-return]
