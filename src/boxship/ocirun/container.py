"""A container and its processes as values: what its maker holds, and what it tells others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from boxship.linux import cgroups, processes
from boxship.ocirun import channel as channels

OCI_VERSION = "1.2.1"


@dataclass(slots=True, kw_only=True, eq=False)
class Process:
    """A process in a container, our child; `pidfd` is the caller's to close, the console's master as well."""

    pid: int
    pidfd: int
    console: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Container(Process):
    id: str
    bundle: str
    rootfs: str
    spec: Mapping[str, Any]
    cgroup: cgroups.Cgroup
    created: int  # ns since the epoch
    started: bool = False
    letters: channels.Channel | None = field(default=None, repr=False)  # to init, until it has executed


def is_alive(box: Container) -> bool:
    """Whether init has not ended; one that ended and was not reaped is not alive."""
    if box.pidfd < 0:
        return False
    try:
        processes.send_signal(box.pidfd, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(box.pid)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            content = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return True
    # the name in parentheses may hold anything
    return content[content.rfind(b")") + 2 :][:1] in {b"Z", b"X", b""}


def status(box: Container) -> str:
    """created, running, paused or stopped."""
    if not is_alive(box):
        return "stopped"
    if box.cgroup.is_frozen():
        return "paused"
    return "running" if box.started else "created"


def state(box: Container, *, phase: str | None = None) -> dict[str, Any]:
    """The OCI state object; `phase` overrides the status for hooks (creating, stopped)."""
    found = phase or status(box)
    return {
        "ociVersion": box.spec.get("ociVersion") or OCI_VERSION,
        "id": box.id,
        "status": found,
        "pid": 0 if found == "stopped" else box.pid,
        "bundle": box.bundle,
        "annotations": dict(box.spec.get("annotations") or {}),
    }
