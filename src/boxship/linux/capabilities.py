"""Capabilities: names, the five sets, and how a process comes to hold exactly those (capabilities(7))."""

import ctypes
import errno
from collections.abc import Iterable

from boxship.linux import calls, processes

NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip
BITS = {name: number for number, name in enumerate(NAMES)}

_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def mask(names: Iterable[str]) -> tuple[int, list[str]]:
    """The bits of `names`, and those names that no kernel we know has."""
    bits = 0
    unknown: list[str] = []
    for name in names:
        number = BITS.get(name.upper())
        if number is None:
            unknown.append(name)
        else:
            bits |= 1 << number
    return bits, unknown


def get(process: int = 0) -> tuple[int, int, int]:
    """(effective, permitted, inheritable) of a process."""
    header = _Header(_VERSION_3, process)
    data = (_Data * 2)()
    calls.syscall("capget", ctypes.byref(header), ctypes.byref(data))
    low, high = data
    return (
        low.effective | high.effective << 32,
        low.permitted | high.permitted << 32,
        low.inheritable | high.inheritable << 32,
    )


def put(effective: int, permitted: int, inheritable: int) -> None:
    """Set the three sets of the calling thread; raises OSError with EPERM when one would grow."""
    header = _Header(_VERSION_3, 0)
    low = 0xFFFFFFFF
    data = (_Data * 2)(
        _Data(effective & low, permitted & low, inheritable & low),
        _Data(effective >> 32, permitted >> 32, inheritable >> 32),
    )
    calls.syscall("capset", ctypes.byref(header), ctypes.byref(data))


def in_bounding(number: int) -> bool:
    return bool(processes.prctl(processes.PR_CAPBSET_READ, number, name="PR_CAPBSET_READ"))


def bounding() -> int:
    bits = 0
    for number in range(64):
        try:
            bits |= in_bounding(number) << number
        except OSError:  # EINVAL: past the last one that this kernel has
            break
    return bits


def limit_bounding(bits: int) -> None:
    """Drop every capability from the bounding set that is not in `bits`."""
    for number in range(64):
        if bits >> number & 1:
            continue
        try:
            processes.prctl(processes.PR_CAPBSET_DROP, number, name="PR_CAPBSET_DROP")
        except OSError as failure:
            if failure.errno == errno.EINVAL:  # past the last one that this kernel has
                return
            raise


def put_ambient(bits: int) -> None:
    """Hold exactly `bits` as ambient capabilities, as far as each is permitted and inheritable.

    The kernel knows no other; specifications which name more are common, and are understood so.
    """
    _, permitted, inheritable = get()
    processes.prctl(processes.PR_CAP_AMBIENT, processes.PR_CAP_AMBIENT_CLEAR_ALL, name="PR_CAP_AMBIENT_CLEAR_ALL")
    possible = bits & permitted & inheritable
    for number in range(64):
        if possible >> number & 1:
            processes.prctl(
                processes.PR_CAP_AMBIENT, processes.PR_CAP_AMBIENT_RAISE, number, name="PR_CAP_AMBIENT_RAISE"
            )


def set_keep(on: bool) -> None:
    """Keep the permitted capabilities when the user ids leave 0."""
    processes.prctl(processes.PR_SET_KEEPCAPS, int(on), name="PR_SET_KEEPCAPS")
