"""Processes: prctl(2), pidfds, descriptors that must not live on, keyrings, scheduling, names."""

import _signal  # type: ignore[import-not-found]
import contextlib
import ctypes
import errno
import os
import signal
from collections.abc import Iterable, Iterator

from boxship.linux import calls

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLOSE_RANGE_CLOEXEC = 4
KEYCTL_JOIN_SESSION_KEYRING = 1
KEYCTL_SETPERM = 5
KEYCTL_DESCRIBE = 6
PIDFD_SELF_LIMIT = (1 << 32) - 1

_prctl = calls.function("prctl", ctypes.c_int, *(ctypes.c_ulong,) * 4)
_personality = calls.function("personality", ctypes.c_ulong)


def prctl(option: int, second: int = 0, third: int = 0, fourth: int = 0, fifth: int = 0, *, name: str = "") -> int:
    result = _prctl(option, second, third, fourth, fifth)
    if result < 0:
        raise calls.error(f"prctl {name or option}")
    return result


def set_dumpable(on: bool) -> None:
    """Off: nobody without privilege over us may trace us or read our /proc files, until the next execve."""
    prctl(PR_SET_DUMPABLE, int(on), name="PR_SET_DUMPABLE")


def set_subreaper(on: bool = True) -> None:
    """Orphaned descendants become our children."""
    prctl(PR_SET_CHILD_SUBREAPER, int(on), name="PR_SET_CHILD_SUBREAPER")


def set_no_new_privileges() -> None:
    prctl(PR_SET_NO_NEW_PRIVS, 1, name="PR_SET_NO_NEW_PRIVS")


def set_parent_death_signal(number: int) -> None:
    prctl(PR_SET_PDEATHSIG, number, name="PR_SET_PDEATHSIG")


def set_name(name: bytes) -> None:
    """What ps shows in its short form; 15 bytes count."""
    buffer = ctypes.create_string_buffer(name[:15])
    prctl(PR_SET_NAME, ctypes.addressof(buffer), name="PR_SET_NAME")


def close_range(first: int, last: int = PIDFD_SELF_LIMIT, *, on_exec: bool = False) -> None:
    """Close the descriptors from `first` to `last`, or mark them to be closed by execve."""
    calls.syscall("close_range", first, last, CLOSE_RANGE_CLOEXEC if on_exec else 0)


# Without the enums that `signal` makes of every number: it is called around each fork.
_ALL_SIGNALS = tuple(sorted(map(int, signal.valid_signals())))


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """No signal is delivered to this thread meanwhile; a child forked in it starts with all of them blocked."""
    former = _signal.pthread_sigmask(_signal.SIG_SETMASK, _ALL_SIGNALS)
    try:
        yield
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, former)


def reset_signals() -> None:
    """Default actions for all signals, none blocked, no wakeup descriptor: what a new program expects."""
    _signal.set_wakeup_fd(-1)
    for number in _ALL_SIGNALS:
        if _signal.getsignal(number):  # neither SIG_DFL nor one that Python does not know
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def send_signal(pidfd: int, number: int) -> None:
    """Signal the process behind `pidfd`; raises ProcessLookupError when it is gone."""
    signal.pidfd_send_signal(pidfd, number)


def exit_status(pidfd: int, *, block: bool = True) -> int | None:
    """Reap our child behind `pidfd`: its exit status, 128 + n when a signal n ended it; None when it still runs."""
    found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | (0 if block else os.WNOHANG))
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status


def join_session_keyring(name: str) -> int:
    """Start a session keyring of that name of our own, so that the caller's keys stay out of reach."""
    return calls.syscall("keyctl", KEYCTL_JOIN_SESSION_KEYRING, calls.encoded(name), path=name)


def allow_keyring_search(keyring: int) -> None:
    """Let the owner of the keyring search it, which new session keyrings do not allow to user `uid` after setuid."""
    buffer = ctypes.create_string_buffer(256)
    calls.syscall("keyctl", KEYCTL_DESCRIBE, keyring, buffer, len(buffer))
    fields = buffer.value.split(b";")
    if len(fields) < 4:
        raise calls.error("keyctl describe", code=errno.EINVAL)
    calls.syscall("keyctl", KEYCTL_SETPERM, keyring, int(fields[3], 16) | 0x080000)


def set_personality(value: int) -> None:
    calls.checked(_personality(value), "personality", hex(value))


def set_io_priority(klass: int, priority: int) -> None:
    """Of the calling process, see ioprio_set(2)."""
    calls.syscall("ioprio_set", 1, 0, klass << 13 | priority)


class _SchedAttr(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def set_scheduler(
    policy: int,
    *,
    flags: int = 0,
    nice: int = 0,
    priority: int = 0,
    runtime: int = 0,
    deadline: int = 0,
    period: int = 0,
) -> None:
    """Of the calling process, see sched_setattr(2); times are nanoseconds."""
    value = _SchedAttr(ctypes.sizeof(_SchedAttr), policy, flags, nice, priority, runtime, deadline, period)
    calls.syscall("sched_setattr", 0, ctypes.byref(value), 0)


def close_all_but(keep: Iterable[int], first: int = 3) -> None:
    """Close every descriptor from `first` on that is not in `keep`."""
    position = first
    for descriptor in sorted(number for number in set(keep) if number >= first):
        if descriptor > position:
            close_range(position, descriptor - 1)
        position = descriptor + 1
    close_range(position)
