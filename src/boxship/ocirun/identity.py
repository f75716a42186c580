"""How the process becomes who it shall be: limits, groups, ids, capabilities, filters, working folder.

Everything here runs in the new process, in the container, and imports nothing.
"""

import errno
import os

from boxship.linux import calls, capabilities, openat2, processes, procfs, rlimits, seccomp
from boxship.ocirun import errors
from boxship.ocirun.process import Process

_PASSWD_LIMIT = 1 << 20


def set_limits(process: Process) -> None:
    """Before the user changes: raising needs privilege."""
    for limit in process.rlimits:
        rlimits.put(limit.type, limit.soft, limit.hard)


def set_schedule(process: Process) -> None:
    if process.scheduler is not None:
        value = process.scheduler
        processes.set_scheduler(
            value.policy,
            flags=value.flags,
            nice=value.nice,
            priority=value.priority,
            runtime=value.runtime,
            deadline=value.deadline,
            period=value.period,
        )
    if process.io_priority is not None:
        processes.set_io_priority(*process.io_priority)
    if process.cpus:
        os.sched_setaffinity(0, process.cpus)


def set_labels(process: Process, proc: int) -> None:
    """Labels take effect with execve. One that was asked for and cannot be had is an error, not a shrug."""
    if process.apparmor:
        _write_attribute(proc, "apparmor", f"exec {process.apparmor}", "unable to apply apparmor profile")
    if process.selinux:
        _write_attribute(proc, "", process.selinux, "unable to set selinux label")


def _write_attribute(proc: int, module: str, value: str, step: str) -> None:
    for path in (f"thread-self/attr/{module}/exec", "thread-self/attr/exec") if module else ("thread-self/attr/exec",):
        try:
            descriptor = openat2.openat2(proc, path, os.O_WRONLY, resolve=openat2.RESOLVE_NO_XDEV)
        except OSError:
            continue
        try:
            os.write(descriptor, os.fsencode(value))
            return
        except OSError as failure:
            raise errors.from_os_error(step, failure) from None
        finally:
            os.close(descriptor)
    raise errors.Fault(f"{step}: this machine's kernel has no such security module", step=step, errno=errno.ENOTSUP)


def home(root: int, uid: int) -> str:
    """The folder of `uid` in the container's own /etc/passwd, or `/`; the file is data of a stranger, and bounded."""
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
        descriptor = openat2.open_in_root(root, "/etc/passwd", flags)
    except OSError:
        return "/"
    try:
        if not procfs.is_regular(descriptor):
            return "/"
        content = os.read(descriptor, _PASSWD_LIMIT)
    finally:
        os.close(descriptor)
    wanted = str(uid).encode()
    for line in content.split(b"\n"):
        fields = line.split(b":")
        if len(fields) >= 6 and fields[2] == wanted:
            return os.fsdecode(fields[5]) or "/"
    return "/"


def enter_folder(root: int, path: str) -> None:
    """The working folder, found inside the root and never through a magic link (CVE-2024-21626)."""
    descriptor = openat2.open_in_root(root, path, os.O_PATH | os.O_DIRECTORY)
    try:
        os.fchdir(descriptor)
    finally:
        os.close(descriptor)
    if not os.getcwd().startswith("/"):
        raise calls.error("current working directory is outside of container mount namespace root", path, errno.EPERM)


def become(process: Process, root: int) -> int | None:
    """Take the user's ids and the capability sets, and enter the working folder.

    Without no_new_privs the filter comes first, while there is the privilege to load it; its listener is returned.
    """
    listener: int | None = None
    # before the filter, which may not know openat2
    entered = _try_enter(root, process.cwd)
    if process.no_new_privileges:
        processes.set_no_new_privileges()
    if process.seccomp is not None and not process.no_new_privileges:
        listens = bool(process.seccomp.listener)
        loaded = seccomp.load(process.seccomp, listen=listens)
        listener = loaded if listens else None
    sets = process.capabilities
    _capability_step(capabilities.limit_bounding, sets.bounding)
    capabilities.set_keep(True)
    _set_ids(process)
    capabilities.set_keep(False)
    if not entered:
        _enter(root, process.cwd)
    _capability_step(capabilities.put, sets.effective, sets.permitted, sets.inheritable)
    _capability_step(capabilities.put_ambient, sets.ambient)
    os.umask(process.umask)
    return listener


def _capability_step(function: object, *bits: int) -> None:
    try:
        function(*bits)  # type: ignore[operator]
    except OSError as failure:
        fault = errors.from_os_error("unable to apply caps", failure)
        fault.message = f"unable to apply caps: {os.strerror(failure.errno or 0).lower()}"
        if failure.errno == errno.EPERM:
            fault.advice = "the specification asks for a capability that this process does not have itself"
        raise fault from None


def _try_enter(root: int, path: str) -> bool:
    """As root first; a folder on a file system that squashes root may need the user's own id."""
    try:
        enter_folder(root, path)
    except OSError as failure:
        if failure.errno in {errno.EACCES, errno.EPERM} and os.getcwd().startswith("/"):
            return False
        raise _folder_fault(path, failure) from None
    return True


def _enter(root: int, path: str) -> None:
    try:
        enter_folder(root, path)
    except OSError as failure:
        raise _folder_fault(path, failure) from None


def _folder_fault(path: str, failure: OSError) -> errors.Fault:
    reason = os.strerror(failure.errno or 0).lower()
    advice = ""
    if failure.errno == errno.ELOOP:
        advice = "the working folder leads through a link of /proc that leaves the container"
    return errors.Fault(
        f'chdir to cwd ("{path}") set in config.json failed: {reason}',
        step="chdir",
        path=path,
        errno=failure.errno or 0,
        advice=advice,
    )


def _set_ids(process: Process) -> None:
    try:
        os.setgroups(process.groups)
    except PermissionError:
        if process.groups:
            raise
    os.setresgid(process.gid, process.gid, process.gid)
    os.setresuid(process.uid, process.uid, process.uid)
