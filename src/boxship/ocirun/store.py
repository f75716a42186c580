"""Containers on disk: `<root>/<id>/state.json` and `exec.fifo`, for commands that come one after the other.

A folder without state.json is a container that is being made, or whose maker died while making it.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from boxship.linux import cgroups
from boxship.ocirun import container, errors, plan

FIFO = "exec.fifo"
_STATE = "state.json"
_LIMIT = 64 << 20


class Store:
    def __init__(self, root: str) -> None:
        self.root = root

    @property
    def filters(self) -> str:
        """Where compiled seccomp filters are kept; no container can have that name."""
        return os.path.join(self.root, "@seccomp")

    def folder(self, id: str) -> str:
        plan.check_id(id)
        return os.path.join(self.root, id)

    def reserve(self, id: str) -> str:
        """Make the container's folder; raises SpecFault when it is there."""
        folder = self.folder(id)
        os.makedirs(self.root, 0o700, exist_ok=True)
        try:
            os.mkdir(folder, 0o711)
        except FileExistsError:
            raise errors.SpecFault("container with given ID already exists", step="create", path=folder) from None
        return folder

    def forget(self, id: str) -> None:
        """Remove the container's folder; its files are ours, and none of them is a folder."""
        folder = self.folder(id)
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)

    def save(self, box: container.Container) -> None:
        """Write the state, all of it or nothing."""
        folder = self.folder(box.id)
        document = {
            "id": box.id,
            "pid": box.pid,
            "birth": birth_of(box.pid),
            "created": box.created,
            "bundle": box.bundle,
            "rootfs": box.rootfs,
            "owner": os.getuid(),
            "cgroup_paths": dict(box.cgroup.paths),
            "spec": dict(box.spec),
        }
        temporary = os.path.join(folder, f".{_STATE}")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(document, file)
        os.rename(temporary, os.path.join(folder, _STATE))

    def ids(self) -> Iterator[str]:
        """Of all containers, sorted."""
        try:
            names = sorted(os.listdir(self.root))
        except FileNotFoundError:
            return
        for name in names:
            if os.path.exists(os.path.join(self.root, name, _STATE)):
                yield name

    def load(self, id: str) -> container.Container:
        """A container as its files say; pidfd is -1 when init is gone. Raises SpecFault when there is none."""
        folder = self.folder(id)
        try:
            with open(os.path.join(folder, _STATE), encoding="utf-8") as file:
                document = json.loads(file.read(_LIMIT))
        except FileNotFoundError:
            raise errors.SpecFault("container does not exist", step="load", path=folder) from None
        return _from_document(document, started=not os.path.exists(os.path.join(folder, FIFO)))


def _from_document(document: Mapping[str, Any], *, started: bool) -> container.Container:
    pid = document["pid"]
    return container.Container(
        id=document["id"],
        bundle=document["bundle"],
        rootfs=document["rootfs"],
        spec=document["spec"],
        pid=pid,
        pidfd=_open(pid, document["birth"]),
        cgroup=cgroups.find(document["cgroup_paths"]),
        created=document["created"],
        started=started,
    )


def _open(pid: int, birth: int) -> int:
    """A pidfd of the process, if it is still the one that was noted: numbers are used again."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return -1
    if birth_of(pid) == birth:
        return pidfd
    os.close(pidfd)
    return -1


def birth_of(pid: int) -> int:
    """When a process was born, in clock ticks since the machine's start; 0 when it is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
        content = file.read(4096)
        return int(content[content.rfind(b")") + 2 :].split()[19])
    return 0
