"""How a container's root is laid out: mounts, devices and masks of a specification as operations. Pure."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

from boxship.linux import cgrouptree, mounts
from boxship.ocirun import cgroupmounts, devices, errors, idranges, masks, rootfs
from boxship.ocirun import options as mount_options
from boxship.ocirun.stage import Operation

# What may be mounted below /proc, since tools such as lxcfs put better numbers there.
_PROC_ALLOWED = {
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
    "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
}  # fmt: skip

_DEFAULT_DEVICES = (
    ("/dev/null", 1, 3), ("/dev/random", 1, 8), ("/dev/full", 1, 7), ("/dev/tty", 5, 0), ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
)  # fmt: skip
_LINKS = (
    ("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0"), ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
)  # fmt: skip


def propagation(linux: Mapping[str, Any], default: int) -> int:
    """`rootfsPropagation` as MS_ flags; raises SpecFault."""
    word = linux.get("rootfsPropagation") or ""
    if not word:
        return default
    if word not in mounts.PROPAGATION:
        raise errors.SpecFault(f"rootfsPropagation={word} is not supported", step="linux.rootfsPropagation")
    flags = mounts.PROPAGATION[word]
    # those of the whole tree: a root alone would leave the mounts below tied
    return flags | mounts.MS_REC


def operations(
    spec: Mapping[str, Any], folder: str, tree: cgrouptree.Tree, *, has_user: bool, namespaced: bool
) -> Iterator[Operation]:
    """From the mount namespace's first moment to the container's /dev."""
    linux = spec.get("linux") or {}
    ties = propagation(linux, mounts.MS_SLAVE | mounts.MS_REC)
    yield rootfs.SetPropagation(flags=ties)
    yield rootfs.EnterRoot(rootfs=folder, parent_may_be_shared=bool(ties & mounts.MS_SHARED))
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
        users=tuple(item.line() for item in idranges.parse(users, "uidMappings")) if found.idmap else (),
        groups=tuple(item.line() for item in idranges.parse(groups, "gidMappings")) if found.idmap else (),
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
    yield devices.Link(path="/dev/core", target="/proc/kcore", optional=True)


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


def final(spec: Mapping[str, Any], cwd: str) -> Iterator[Operation]:
    """What is done when all is in its place, before the root becomes `/`."""
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
