"""Finding the program that `args` names, in the words of runc where it is not there, and what may be the cause."""

import errno
import os
import stat
from collections.abc import Mapping

from boxship.linux import calls
from boxship.ocirun import errors

_HEAD = 256
_MACHINES = {3: "x86 (32 bit)", 8: "MIPS", 21: "PowerPC 64", 22: "S/390", 40: "ARM (32 bit)", 62: "x86-64",
             183: "arm64", 243: "RISC-V", 258: "LoongArch"}  # fmt: skip
_OWN_MACHINES = {"x86_64": {62, 3}, "aarch64": {183, 40}}


def find(name: str, environment: Mapping[str, str]) -> str:
    """The path that execve gets; raises Fault as Go's exec.LookPath words it, since clients show that."""
    if not name:
        raise errors.Fault('exec: "": executable file not found in $PATH', step="exec", errno=errno.ENOENT)
    if "/" in name:
        if reason := _unfit(name):
            raise _refusal(name, name, reason)
        return name
    denied = False
    for folder in environment.get("PATH", "").split(":"):
        path = os.path.join(folder or ".", name)
        reason = _unfit(path)
        if reason == 0:
            if not path.startswith("/"):
                message = f'exec: "{name}": cannot run executable found relative to current directory'
                raise errors.Fault(message, step="exec", path=path, errno=errno.ENOENT)
            return path
        denied = denied or reason == errno.EACCES
    advice = f"a file of that name is in $PATH, but user {os.getuid()} may not execute it" if denied else ""
    message = f'exec: "{name}": executable file not found in $PATH'
    raise errors.Fault(message, step="exec", path=name, errno=errno.ENOENT, advice=advice)


def _unfit(path: str) -> int:
    """0 when `path` can be executed, else the errno that says why not."""
    try:
        found = os.stat(path)
    except OSError as failure:
        return failure.errno or errno.EIO
    if stat.S_ISDIR(found.st_mode):
        return errno.EISDIR
    if not found.st_mode & 0o111 or not os.access(path, os.X_OK):
        return errno.EACCES
    return 0


def _refusal(name: str, path: str, reason: int) -> errors.Fault:
    if reason in {errno.EACCES, errno.EISDIR}:
        text = f'exec: "{name}": permission denied'
    else:
        text = f'exec: "{name}": stat {path}: {errors.go_text(reason)}'
    return errors.Fault(text, step="exec", path=path, errno=reason)


def refused(path: str, failure: OSError) -> errors.Fault:
    """Why execve of an existing file failed: it says ENOENT for a missing interpreter and ENOEXEC for a foreign machine.

    The file is looked at only now that it failed, as data, and only its head.
    """
    code = failure.errno or 0
    return errors.Fault(
        f"exec {path}: {errors.go_text(code)}", step="exec", path=path, errno=code, advice=_cause(path, code)
    )


def _cause(path: str, code: int) -> str:
    head = _head_of(path)
    if code == errno.ENOENT:
        if head.startswith(b"#!"):
            words = head[2:].split(b"\n", 1)[0].split()
            return f"its interpreter {os.fsdecode(words[0])} does not exist in the container" if words else ""
        if head.startswith(b"\x7fELF"):
            return "its dynamic loader does not exist in the container: the program was built for another libc"
    if code == errno.ENOEXEC:
        if head.startswith(b"\x7fELF") and len(head) >= 20:
            number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
            if number not in _OWN_MACHINES.get(calls.MACHINE, {number}):
                machine = _MACHINES.get(number, f"machine {number}")
                return f"the program is for {machine}, this machine is {calls.MACHINE}"
        if not head.startswith((b"#!", b"\x7fELF")):
            return "it is neither a program nor a script with #! in its first line"
    if code == errno.EACCES:
        return "it or a folder above it forbids execution, or it lies on a noexec mount"
    return ""


def _head_of(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _HEAD) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)
