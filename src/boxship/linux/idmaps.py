"""User and group ids across user namespaces: uid_map, gid_map, and namespaces held open for id-mapped mounts."""

import os
import signal
from collections.abc import Sequence

from boxship.linux import calls, namespaces, processes


def write(process: int, users: Sequence[str], groups: Sequence[str]) -> None:
    """Write the maps (`inside outside size` per line) of a process that has just made its user namespace."""
    if os.geteuid() != 0:
        _write(f"/proc/{process}/setgroups", "deny")
    _write(f"/proc/{process}/gid_map", "\n".join(groups))
    _write(f"/proc/{process}/uid_map", "\n".join(users))


def _write(path: str, text: str) -> None:
    if not text:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as failure:
        raise calls.error("write", path, failure.errno) from None
    finally:
        os.close(descriptor)


def open_namespace(users: Sequence[str], groups: Sequence[str]) -> int:
    """A user namespace with these maps that nobody lives in, as a descriptor."""
    pid, pidfd = namespaces.clone(namespaces.CLONE_NEWUSER)
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        write(pid, users, groups)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        processes.send_signal(pidfd, signal.SIGKILL)
        processes.exit_status(pidfd)
        os.close(pidfd)
