"""From a specification to a plan: which namespaces, which operations, which process. Pure; nothing is touched.

The order of operations is the OCI spec's and runc's: propagation, root, mounts, devices, console, working folder,
masks, then the root becomes `/`.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from boxship.linux import cgrouptree, namespaces
from boxship.ocirun import devices, errors, idranges, layout, process
from boxship.ocirun.stage import Operation

_ID_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._")

# Better refused than passed over in silence.
_UNSUPPORTED = ("netDevices", "memoryPolicy", "intelRdt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    id: str
    rootfs: str
    new: tuple[str, ...]  # kinds of namespaces that are made
    joined: tuple[tuple[str, str], ...]  # (kind, path)
    uid_maps: tuple[idranges.IdRange, ...]
    gid_maps: tuple[idranges.IdRange, ...]
    time_offsets: tuple[tuple[str, int, int], ...]
    operations: tuple[Operation, ...]
    console: devices.Console | None
    final: tuple[Operation, ...]  # after the console, before the pivot
    pivots: bool
    final_propagation: int
    hostname: str
    domainname: str
    sysctl: tuple[tuple[str, str], ...]
    personality: int | None
    process: process.Process
    cgroup_path: str
    resources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_user_namespace(self) -> bool:
        return "user" in self.new or any(kind == "user" for kind, _ in self.joined)

    @property
    def has_mount_namespace(self) -> bool:
        return "mount" in self.new

    def describe(self) -> list[str]:
        """One line per step, in the order in which they are done."""
        lines = [f"make cgroup {self.cgroup_path}"]
        lines += [f"join {kind} namespace {path}" for kind, path in self.joined]
        lines.append(f"make namespaces {', '.join(self.new) or 'none'}")
        lines += [f"map user {item.line()}" for item in self.uid_maps]
        lines += [f"map group {item.line()}" for item in self.gid_maps]
        lines += [operation.describe() for operation in self.operations]
        if self.console is not None:
            lines.append(self.console.describe())
        lines += [operation.describe() for operation in self.final]
        if self.has_mount_namespace:
            lines.append(f"{'pivot' if self.pivots else 'move'} root to {self.rootfs}")
        if self.hostname:
            lines.append(f"set hostname {self.hostname}")
        if self.domainname:
            lines.append(f"set domainname {self.domainname}")
        lines += [f"set sysctl {name} to {value}" for name, value in self.sysctl]
        return lines + self.process.describe()


def build(
    spec: Mapping[str, Any],
    *,
    id: str,
    bundle: str,
    tree: cgrouptree.Tree,
    rootfs: str | None = None,
    no_pivot: bool = False,
    cache: str | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> Plan:
    """The plan of a container; raises SpecFault naming what cannot be. `cache` is the folder of compiled filters."""
    check_id(id)
    if spec.get("process") is None:
        raise errors.SpecFault("process property must not be empty", step="process")
    linux = spec.get("linux") or {}
    root = spec.get("root") or {}
    folder = os.path.join(bundle, rootfs or root.get("path") or "")
    if not rootfs and not root.get("path"):
        raise errors.SpecFault("root.path must name the root file system", step="root.path")
    new, joined = _namespaces(linux)
    has_user = "user" in new or any(kind == "user" for kind, _ in joined)
    has_mounts = "mount" in new
    if not has_mounts and not any(kind == "mount" for kind, _ in joined):
        raise errors.SpecFault("linux.namespaces must have a mount namespace", step="linux.namespaces")
    _check_names(spec, new, joined)
    made = process.build(spec["process"], profile=linux.get("seccomp"), cache=cache, warn=warn)
    for key in _UNSUPPORTED:
        if linux.get(key):
            raise errors.SpecFault(f"linux.{key} is not supported by this runtime", step=f"linux.{key}")
    operations: tuple[Operation, ...] = ()
    final: tuple[Operation, ...] = ()
    console: devices.Console | None = None
    if has_mounts:
        namespaced = "cgroup" in new
        operations = tuple(layout.operations(spec, folder, tree, has_user=has_user, namespaced=namespaced))
        final = tuple(layout.final(spec, made.cwd))
    if made.terminal:
        console = devices.Console(rows=made.rows, columns=made.columns, show=has_mounts)
    return Plan(
        id=id,
        rootfs=folder,
        new=new,
        joined=joined,
        uid_maps=idranges.with_root(idranges.parse(linux.get("uidMappings"), "uidMappings"), "user"),
        gid_maps=idranges.with_root(idranges.parse(linux.get("gidMappings"), "gidMappings"), "group"),
        time_offsets=_time_offsets(linux.get("timeOffsets") or {}),
        operations=operations,
        console=console,
        final=final,
        pivots=not no_pivot,
        final_propagation=layout.propagation(linux, 0),
        hostname=spec.get("hostname") or "",
        domainname=spec.get("domainname") or "",
        sysctl=_sysctls(linux.get("sysctl") or {}, new, joined),
        personality=_personality(linux.get("personality")),
        process=made,
        cgroup_path=linux.get("cgroupsPath") or id,
        resources=linux.get("resources") or {},
    )


def check_id(id: str) -> None:
    """As runc: letters, digits and `+-._`, neither `.` nor `..`."""
    if not id:
        raise errors.SpecFault("container id cannot be empty", step="id")
    if id in {".", ".."} or not set(id) <= _ID_LETTERS or len(id) > 1024:
        raise errors.SpecFault("invalid container ID format", step="id", path=id[:80])


def _namespaces(linux: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    new: list[str] = []
    joined: list[tuple[str, str]] = []
    seen: set[str] = set()
    for item in linux.get("namespaces") or ():
        kind = item.get("type", "")
        if kind not in namespaces.KINDS:
            raise errors.SpecFault(f"namespace {item!r} does not exist", step="linux.namespaces")
        if kind in seen:
            raise errors.SpecFault(f"malformed spec file: duplicated ns {item!r}", step="linux.namespaces")
        seen.add(kind)
        path = item.get("path") or ""
        if not path:
            new.append(kind)
        elif not path.startswith("/"):
            raise errors.SpecFault(f"namespace path {path!r} must be absolute", step="linux.namespaces", path=path)
        else:
            joined.append((kind, path))
    return tuple(new), tuple(joined)


def _check_names(spec: Mapping[str, Any], new: tuple[str, ...], joined: tuple[tuple[str, str], ...]) -> None:
    if "uts" in new or any(kind == "uts" for kind, _ in joined):
        return
    for key in ("hostname", "domainname"):
        if spec.get(key):
            raise errors.SpecFault(f"unable to set {key} without a private UTS namespace", step=key)


def _time_offsets(offsets: Mapping[str, Any]) -> tuple[tuple[str, int, int], ...]:
    found: list[tuple[str, int, int]] = []
    for clock, value in offsets.items():
        if clock not in {"monotonic", "boottime"}:
            raise errors.SpecFault(f"linux.timeOffsets: clock {clock!r} has no offset", step="linux.timeOffsets")
        found.append((clock, int(value.get("secs") or 0), int(value.get("nanosecs") or 0)))
    return tuple(found)


_PERSONALITIES = {"LINUX": 0, "LINUX32": 8}


def _personality(value: Mapping[str, Any] | None) -> int | None:
    if not value:
        return None
    domain = value.get("domain", "")
    if domain not in _PERSONALITIES:
        raise errors.SpecFault(f"linux.personality.domain {domain!r} is unknown", step="linux.personality")
    if value.get("flags"):
        raise errors.SpecFault("additional flags for personality are not supported", step="linux.personality")
    return _PERSONALITIES[domain]


_IPC_SYSCTLS = {
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
    "kernel.shmmni", "kernel.shm_rmid_forced",
}  # fmt: skip


def _sysctls(
    values: Mapping[str, Any], new: tuple[str, ...], joined: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Those that belong to a namespace of the container's own; any other would change the machine."""
    own = {*new, *(kind for kind, _ in joined)}
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        dotted = name.replace("/", ".") if "/" in name and "." not in name else name
        if dotted in _IPC_SYSCTLS or dotted.startswith("fs.mqueue."):
            needed = "ipc"
        elif dotted.startswith("net."):
            needed = "network"
        elif dotted == "kernel.domainname":
            needed = "uts"
        elif dotted.startswith("user."):
            needed = "user"
        elif dotted == "kernel.hostname":
            raise errors.SpecFault(
                f"sysctl {name!r} is not allowed as it conflicts with the OCI hostname field", step="sysctl"
            )
        else:
            raise errors.SpecFault(f'sysctl "{name}" is not in a separate kernel namespace', step="sysctl")
        if needed not in own:
            message = f'sysctl "{name}" is not allowed in the hosts {needed} namespace'
            raise errors.SpecFault(message, step="sysctl")
        text = str(value)
        if any(letter in text for letter in "\n\0") or any(letter in name for letter in "\n\0 =+"):
            raise errors.SpecFault(f"sysctl {name!r}: a line break or NUL in it", step="sysctl")
        found.append((name, text))
    return tuple(found)
