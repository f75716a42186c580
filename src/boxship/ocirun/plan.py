"""From a specification to a plan: which namespaces, which operations, which process. Pure; nothing is touched.

The order of operations is the OCI spec's and runc's: propagation, root, mounts, devices, console, working folder,
masks, then the root becomes `/`.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from boxship.linux import cgrouptree, mounts, namespaces
from boxship.ocirun import cgroupmounts, devices, errors, masks, process, rootfs
from boxship.ocirun import options as mount_options
from boxship.ocirun.stage import Operation

_ID_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._")

# What may be mounted below /proc, since tools such as lxcfs put better numbers there.
_PROC_ALLOWED = {
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
    "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
}  # fmt: skip

# Better refused than passed over in silence.
_UNSUPPORTED = ("netDevices", "memoryPolicy")

_DEFAULT_DEVICES = (
    ("/dev/null", 1, 3), ("/dev/random", 1, 8), ("/dev/full", 1, 7), ("/dev/tty", 5, 0), ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
)  # fmt: skip
_LINKS = (
    ("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0"), ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRange:
    """A line of uid_map or gid_map."""

    inside: int
    outside: int
    size: int

    def line(self) -> str:
        return f"{self.inside} {self.outside} {self.size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    id: str
    rootfs: str
    new: tuple[str, ...]  # kinds of namespaces that are made
    joined: tuple[tuple[str, str], ...]  # (kind, path)
    uid_maps: tuple[IdRange, ...]
    gid_maps: tuple[IdRange, ...]
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
    made = process.build(spec.get("process") or {}, profile=linux.get("seccomp"), cache=cache, warn=warn)
    if (linux.get("intelRdt") or {}) and not os.path.isdir("/sys/fs/resctrl/info"):
        raise errors.SpecFault(
            "linux.intelRdt needs the resctrl file system, which is not mounted", step="linux.intelRdt"
        )
    for key in _UNSUPPORTED:
        if linux.get(key):
            raise errors.SpecFault(f"linux.{key} is not supported by this runtime", step=f"linux.{key}")
    operations: tuple[Operation, ...] = ()
    final: tuple[Operation, ...] = ()
    console: devices.Console | None = None
    if has_mounts:
        namespaced = "cgroup" in new
        operations = tuple(_operations(spec, folder, tree, has_user=has_user, namespaced=namespaced))
        final = tuple(_final(spec, made.cwd))
    if made.terminal:
        console = devices.Console(rows=made.rows, columns=made.columns, show=has_mounts)
    return Plan(
        id=id,
        rootfs=folder,
        new=new,
        joined=joined,
        uid_maps=_maps(linux.get("uidMappings"), "uidMappings"),
        gid_maps=_maps(linux.get("gidMappings"), "gidMappings"),
        time_offsets=_time_offsets(linux.get("timeOffsets") or {}),
        operations=operations,
        console=console,
        final=final,
        pivots=not no_pivot,
        final_propagation=_propagation(linux, 0),
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


def _maps(items: Any, name: str) -> tuple[IdRange, ...]:
    found: list[IdRange] = []
    for item in items or ():
        numbers = [item.get(key, 0) for key in ("containerID", "hostID", "size")]
        if not all(isinstance(number, int) and 0 <= number <= 0xFFFFFFFF for number in numbers):
            raise errors.SpecFault(f"linux.{name}: {item!r} is no mapping", step=f"linux.{name}")
        found.append(IdRange(inside=numbers[0], outside=numbers[1], size=numbers[2]))
    return tuple(found)


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


def _propagation(linux: Mapping[str, Any], default: int) -> int:
    word = linux.get("rootfsPropagation") or ""
    if not word:
        return default
    if word not in mounts.PROPAGATION:
        raise errors.SpecFault(f"rootfsPropagation={word} is not supported", step="linux.rootfsPropagation")
    flags = mounts.PROPAGATION[word]
    # those of the whole tree: a root alone would leave the mounts below tied
    return flags | mounts.MS_REC


def _operations(
    spec: Mapping[str, Any], folder: str, tree: cgrouptree.Tree, *, has_user: bool, namespaced: bool
) -> Iterator[Operation]:
    linux = spec.get("linux") or {}
    propagation = _propagation(linux, mounts.MS_SLAVE | mounts.MS_REC)
    yield rootfs.SetPropagation(flags=propagation)
    yield rootfs.EnterRoot(rootfs=folder, parent_may_be_shared=bool(propagation & mounts.MS_SHARED))
    for item in spec.get("mounts") or ():
        yield mount_operation(item, tree, namespaced=namespaced, linux=linux)
    if _makes_devices(spec):
        yield from _devices(linux, has_user=has_user)


def mount_operation(
    item: Mapping[str, Any], tree: cgrouptree.Tree, *, namespaced: bool, linux: Mapping[str, Any]
) -> Operation:
    """The operation of one entry of `mounts`; raises SpecFault."""
    destination = _destination(item)
    found = mount_options.parse(item.get("options") or ())
    kind = item.get("type") or ("bind" if found.is_bind else "")
    source = item.get("source") or kind
    _check_proc(destination, kind)
    if found.is_bind or kind in {"bind", "rbind"}:
        if not source.startswith("/"):
            raise errors.SpecFault(f"mount at {destination!r}: source {source!r} must be absolute", step="mounts")
        return _bind(item, source, destination, found, linux)
    if found.idmap or item.get("uidMappings"):
        raise errors.SpecFault(f"mount at {destination!r}: only bind mounts can be id-mapped", step="mounts")
    if kind in {"cgroup", "cgroup2"}:
        return cgroupmounts.CgroupMount(destination=destination, options=found, tree=tree, namespaced=namespaced)
    if kind == "sysfs":
        return rootfs.SysfsMount(destination=destination, options=found)
    if not kind:
        raise errors.SpecFault(f"mount at {destination!r} has neither a type nor the option bind", step="mounts")
    later = found.is_readonly and (destination == "/dev" or kind == "tmpfs")
    return rootfs.NewMount(
        type=kind, source=source, destination=destination, options=found, plain=kind == "proc", readonly_later=later
    )


def _bind(
    item: Mapping[str, Any], source: str, destination: str, found: mount_options.Options, linux: Mapping[str, Any]
) -> Operation:
    users, groups = item.get("uidMappings"), item.get("gidMappings")
    if users or groups:
        found = dataclasses.replace(found, idmap=True)
    elif found.idmap:
        users, groups = linux.get("uidMappings"), linux.get("gidMappings")
    if found.idmap and not (users and groups):
        message = f"mount at {destination!r}: an id-mapped mount needs uidMappings and gidMappings"
        raise errors.SpecFault(message, step="mounts")
    return rootfs.Bind(
        source=source,
        destination=destination,
        options=found,
        users=tuple(item.line() for item in _maps(users, "uidMappings")) if found.idmap else (),
        groups=tuple(item.line() for item in _maps(groups, "gidMappings")) if found.idmap else (),
    )


def _destination(item: Mapping[str, Any]) -> str:
    destination = item.get("destination") or ""
    if not destination or "\0" in destination:
        raise errors.SpecFault(f"mount {item!r} has no usable destination", step="mounts")
    return os.path.normpath("/" + destination.lstrip("/"))


def _check_proc(destination: str, kind: str) -> None:
    """Nothing may be mounted inside /proc but the few harmless files (CVE-2019-16884 and its kin)."""
    if destination == "/proc" and kind not in {"proc", "bind", "rbind"}:
        raise errors.SpecFault(
            f'"{kind}" cannot be mounted because it is not of type proc', step="mounts", path="/proc"
        )
    if destination.startswith("/proc/") and destination not in _PROC_ALLOWED:
        raise errors.SpecFault(
            f'"{destination}" cannot be mounted because it is inside /proc', step="mounts", path=destination
        )


def _makes_devices(spec: Mapping[str, Any]) -> bool:
    """Not when the machine's own /dev is shown: its nodes are not ours to change."""
    for item in spec.get("mounts") or ():
        if _destination(item) == "/dev" and (
            item.get("type") == "bind" or mount_options.parse(item.get("options") or ()).is_bind
        ):
            return False
    return True


def _devices(linux: Mapping[str, Any], *, has_user: bool) -> Iterator[Operation]:
    wanted: dict[str, devices.MakeDevice] = {}
    for path, major, minor in _DEFAULT_DEVICES:
        wanted[path] = devices.MakeDevice(path=path, type="c", major=major, minor=minor, bound=has_user)
    for item in linux.get("devices") or ():
        made = _device(item, bound=has_user)
        wanted[made.path] = made
    yield from wanted.values()
    yield devices.Link(path="/dev/ptmx", target="pts/ptmx", replace=True)
    for path, target in _LINKS:
        yield devices.Link(path=path, target=target)
    if os.path.exists("/proc/kcore"):
        yield devices.Link(path="/dev/core", target="/proc/kcore")


def _device(item: Mapping[str, Any], *, bound: bool) -> devices.MakeDevice:
    path = item.get("path") or ""
    kind = item.get("type") or ""
    if not path.startswith("/") or path.endswith("/") or kind not in {"c", "u", "b", "p"}:
        raise errors.SpecFault(f"linux.devices: {item!r} is no device", step="linux.devices", path=path)
    mode = item.get("fileMode")
    return devices.MakeDevice(
        path=os.path.normpath(path),
        type=kind,
        major=int(item.get("major") or 0),
        minor=int(item.get("minor") or 0),
        mode=0o666 if mode is None else int(mode) & 0o7777,
        uid=int(item.get("uid") or 0),
        gid=int(item.get("gid") or 0),
        bound=bound,
    )


def _final(spec: Mapping[str, Any], cwd: str) -> Iterator[Operation]:
    linux = spec.get("linux") or {}
    yield rootfs.MakeFolder(path=cwd)
    for item in spec.get("mounts") or ():
        found = mount_options.parse(item.get("options") or ())
        destination = _destination(item)
        if found.is_readonly and not found.is_bind and (destination == "/dev" or item.get("type") == "tmpfs"):
            yield rootfs.RemountReadonly(path=destination)
    for path in linux.get("readonlyPaths") or ():
        yield masks.ReadOnly(path=_inner(path, "readonlyPaths"))
    for path in linux.get("maskedPaths") or ():
        yield masks.Mask(path=_inner(path, "maskedPaths"))
    if (spec.get("root") or {}).get("readonly"):
        yield rootfs.RemountReadonly(path="/")


def _inner(path: str, name: str) -> str:
    if not path.startswith("/"):
        raise errors.SpecFault(f"linux.{name}: {path!r} must be absolute", step=f"linux.{name}", path=path)
    return os.path.normpath(path)
