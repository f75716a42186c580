"""Resource limits by the OCI spec's names (getrlimit(2))."""

import errno
import os
import resource

from boxship.linux import calls

# asm-generic/resource.h; the same on x86-64 and arm64
NUMBERS = {
    "RLIMIT_CPU": 0,
    "RLIMIT_FSIZE": 1,
    "RLIMIT_DATA": 2,
    "RLIMIT_STACK": 3,
    "RLIMIT_CORE": 4,
    "RLIMIT_RSS": 5,
    "RLIMIT_NPROC": 6,
    "RLIMIT_NOFILE": 7,
    "RLIMIT_MEMLOCK": 8,
    "RLIMIT_AS": 9,
    "RLIMIT_LOCKS": 10,
    "RLIMIT_SIGPENDING": 11,
    "RLIMIT_MSGQUEUE": 12,
    "RLIMIT_NICE": 13,
    "RLIMIT_RTPRIO": 14,
    "RLIMIT_RTTIME": 15,
}
_INFINITY = 1 << 63


def put(kind: str, soft: int, hard: int, *, process: int = 0) -> None:
    """Limit `process` (0: the caller); anything from 2**63 up means no limit. Raises OSError."""
    try:
        resource.prlimit(process, NUMBERS[kind], (_value(soft), _value(hard)))
    except OSError as failure:
        raise calls.error("prlimit", kind, failure.errno) from None
    except ValueError:
        # Python's word for EINVAL and for EPERM of setrlimit
        raise calls.error("prlimit", kind, errno.EINVAL if soft > hard else errno.EPERM) from None


def _value(number: int) -> int:
    return -1 if number < 0 or number >= _INFINITY else number


def get(kind: str, process: int = 0) -> tuple[int, int]:
    """(soft, hard); -1 means no limit."""
    return resource.prlimit(process or os.getpid(), NUMBERS[kind])
