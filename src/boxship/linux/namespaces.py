"""Namespaces: leave, join and be born in them (namespaces(7), clone(2), setns(2)).

`clone` forks with the kernel's own call, since libc's fork takes no flags. The caller must have one thread: neither
Python's nor libc's handlers of fork run in the child.
"""

import ctypes
import os
import signal

from boxship.linux import calls

CLONE_NEWTIME = 0x00000080
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000

# the OCI spec's word -> (flag, name below /proc/PID/ns)
KINDS: dict[str, tuple[int, str]] = {
    "user": (CLONE_NEWUSER, "user"),
    "pid": (CLONE_NEWPID, "pid"),
    "network": (CLONE_NEWNET, "net"),
    "ipc": (CLONE_NEWIPC, "ipc"),
    "uts": (CLONE_NEWUTS, "uts"),
    "mount": (CLONE_NEWNS, "mnt"),
    "cgroup": (CLONE_NEWCGROUP, "cgroup"),
    "time": (CLONE_NEWTIME, "time"),
}

_unshare = calls.function("unshare", ctypes.c_int)
_setns = calls.function("setns", ctypes.c_int, ctypes.c_int)


class _CloneArgs(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("pidfd", ctypes.c_uint64),
        ("child_tid", ctypes.c_uint64),
        ("parent_tid", ctypes.c_uint64),
        ("exit_signal", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("stack_size", ctypes.c_uint64),
        ("tls", ctypes.c_uint64),
        ("set_tid", ctypes.c_uint64),
        ("set_tid_size", ctypes.c_uint64),
        ("cgroup", ctypes.c_uint64),
    )


def unshare(flags: int) -> None:
    calls.checked(_unshare(flags), "unshare", hex(flags))


def setns(descriptor: int, flags: int = 0, *, path: str | None = None) -> None:
    """Enter the namespace that `descriptor` holds, or with a pidfd all of `flags` of that process."""
    calls.checked(_setns(descriptor, flags), "setns", path)


def clone(flags: int, *, cgroup: int | None = None) -> tuple[int, int]:
    """Fork with namespaces: (pid, pidfd) in the parent, (0, -1) in the child; `cgroup` is a folder of version 2.

    Raises OSError. The exit signal is SIGCHLD.
    """
    pidfd = ctypes.c_int(-1)
    arguments = _CloneArgs(
        flags=flags | CLONE_PIDFD | (CLONE_INTO_CGROUP if cgroup is not None else 0),
        pidfd=ctypes.addressof(pidfd),
        # with CLONE_PARENT the new process's parent is told by the signal of its sibling's
        exit_signal=0 if flags & CLONE_PARENT else signal.SIGCHLD,
        cgroup=cgroup or 0,
    )
    number = calls.Long(calls.NUMBERS["clone3"])
    syscall = calls.held_libc.syscall
    syscall.restype = ctypes.c_long
    pid: int = syscall(number, ctypes.byref(arguments), calls.Long(ctypes.sizeof(arguments)))
    if pid < 0:
        raise calls.error("clone3", hex(flags))
    return pid, pidfd.value if pid else -1


def flags_of(kinds: list[str]) -> int:
    flags = 0
    for kind in kinds:
        flags |= KINDS[kind][0]
    return flags


def same(process: int, kind: str) -> bool:
    """Whether `process` lives in this process's namespace of that kind."""
    name = KINDS[kind][1]
    return os.stat(f"/proc/{process}/ns/{name}").st_ino == os.stat(f"/proc/self/ns/{name}").st_ino
