"""What a shim that was killed leaves behind, and how somebody else takes it away.

The note in the bundle names the init process (with the time it was started, since numbers are used again) and its
control groups. Whoever cleans up has never seen the container.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping

from boxship.linux import cgroups

NOTE, EXIT = "leftovers.json", "exit"
_LIMIT = 1 << 20
_PATIENCE = 4.0  # seconds; containerd gives `delete` five


def note(bundle: str, pid: int, paths: Mapping[str, str]) -> None:
    """Write down what would be left of a container."""
    content = {"pid": pid, "started": started_at(pid), "cgroups": dict(paths)}
    fd = os.open(os.path.join(bundle, NOTE), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        json.dump(content, file)


def clear(bundle: str) -> None:
    """Kill and remove what the note names. Without one there is nothing to do. Raises OSError."""
    try:
        with open(os.path.join(bundle, NOTE), "rb") as file:
            content = json.loads(file.read(_LIMIT))
    except FileNotFoundError:
        return
    pid, started, cgroup = int(content["pid"]), content["started"], cgroups.find(content["cgroups"])
    _kill(pid, started)
    if cgroup.exists():
        cgroup.signal(signal.SIGKILL)
    _wait_until_gone(pid, started)
    cgroup.delete()


def note_exit(bundle: str, status: int, exited_at: int) -> None:
    """Write down how the init ended, in case that we cannot be asked any more."""
    fd = os.open(os.path.join(bundle, EXIT), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="ascii") as file:
        file.write(f"{status} {exited_at}\n")


def exit_of(bundle: str) -> tuple[int, int] | None:
    """Exit status and time of the init, when it had ended before its shim."""
    try:
        with open(os.path.join(bundle, EXIT), encoding="ascii") as file:
            status, exited_at = file.read(64).split()
        return int(status), int(exited_at)
    except (OSError, ValueError):
        return None


def started_at(pid: int) -> int | None:
    """When a process was started, in ticks since boot (field 22 of proc_pid_stat(5)); None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read(4096).rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # A zombie holds its number and nothing else.
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


def _kill(pid: int, started: int | None) -> None:
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            if started is not None and started_at(pid) == started:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)


def _wait_until_gone(pid: int, started: int | None) -> None:
    deadline = time.monotonic() + _PATIENCE
    while started is not None and started_at(pid) == started and time.monotonic() < deadline:
        time.sleep(0.002)
