import ctypes
import errno
import os
import pathlib

import pytest

from boxship.linux import calls, seccomp

pytestmark = pytest.mark.skipif(calls.MACHINE != "x86_64", reason="numbers of x86-64")

READ, MKDIR, PERSONALITY, KEYCTL, NEWER = 0, 83, 135, 250, 600
ALLOWED = [
    "exit_group", "mmap", "munmap", "brk", "futex", "read", "write", "rt_sigaction", "rt_sigprocmask", "mprotect", "close",
    "madvise", "sigaltstack", "exit",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _library() -> None:
    try:
        seccomp.library_version()
    except OSError:
        pytest.skip("needs libseccomp")


def _errno(prepared: seccomp.Filter, number: int, *arguments: int) -> int:
    """What a process under the filter gets from a call."""
    pid = os.fork()
    if pid == 0:
        calls.libc.prctl(38, 1, 0, 0, 0)
        seccomp.load(prepared)
        ctypes.set_errno(0)
        calls.libc.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments), 0, 0)
        os._exit(ctypes.get_errno())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_what_is_not_allowed_is_refused() -> None:
    prepared = seccomp.prepare(
        {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": [*ALLOWED, "setns"], "action": "SCMP_ACT_ALLOW"}]}
    )
    assert _errno(prepared, KEYCTL, 0) == errno.EPERM


def test_calls_newer_than_the_profile_do_not_exist() -> None:
    prepared = seccomp.prepare(
        {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": [*ALLOWED, "openat2"], "action": "SCMP_ACT_ALLOW"}]}
    )
    assert _errno(prepared, NEWER) == errno.ENOSYS


def test_arguments_and_own_errno() -> None:
    rule = {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}
    prepared = seccomp.prepare(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{**rule, "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}],
        }
    )
    assert _errno(prepared, PERSONALITY, 8) == 77
    assert _errno(prepared, PERSONALITY, 0xFFFFFFFF) == 0


def test_two_conditions_on_one_argument_are_alternatives() -> None:
    values = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (4, 8)]
    prepared = seccomp.prepare(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 9, "args": values}],
        }
    )
    assert _errno(prepared, PERSONALITY, 4) == _errno(prepared, PERSONALITY, 8) == 9


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"defaultAction": "X"}, "string X is not a valid action"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["X"]}, "string X is not a valid arch"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}, "flag 'X'"),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "op": "X"}]}],
            },
            "string X is not a valid operator",
        ),
    ],
)
def test_what_is_wrong_is_named(profile: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        seccomp.prepare(profile)


PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}


def test_compiled_once_and_kept(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "cache"
    first = seccomp.prepare(PROFILE, cache=str(folder))
    (kept,) = folder.iterdir() if folder.exists() else (None,)
    if kept is None:  # another test of this process had it in memory
        seccomp._compiled.clear()
        seccomp.prepare(PROFILE, cache=str(folder))
        (kept,) = folder.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    seccomp._compiled.clear()
    assert seccomp.prepare(PROFILE, cache=str(folder)) == first


def test_a_spoiled_cache_is_not_believed(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "cache"
    seccomp._compiled.clear()
    first = seccomp.prepare(PROFILE, cache=str(folder))
    (kept,) = folder.iterdir()
    kept.write_bytes(b"x" * 64)
    seccomp._compiled.clear()
    assert seccomp.prepare(PROFILE, cache=str(folder)) == first
    kept.chmod(0o666)
    seccomp._compiled.clear()
    assert seccomp.prepare(PROFILE, cache=str(folder)) == first
