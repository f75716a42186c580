"""What a container may see and do, as the OCI runtime spec (config.json): our defaults, and the wishes of a caller.

`default()` is what containerd gives to a container that asks for nothing. The other functions each carry one wish
into a spec, in place, and may be called in any order but for the few that say otherwise.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from boxship.core import mounts, seccomp
from boxship.terms import errors
from boxship.terms.typed import TypedBytes

TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
PROCESS_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/Process"
RESOURCES_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CPU_PERIOD = 100_000
"""Microseconds over which CPU time is shared out."""

Spec = dict[str, Any]

CAPABILITIES = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID"),
    *("CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL"),
    "CAP_AUDIT_WRITE",
)
ALL_CAPABILITIES = (
    *CAPABILITIES,
    *("CAP_DAC_READ_SEARCH", "CAP_LINUX_IMMUTABLE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_IPC_LOCK"),
    *("CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN"),
    *("CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_LEASE"),
    *("CAP_AUDIT_CONTROL", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM"),
    *("CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"),
)
MASKED_PATHS = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/scsi"),
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_MOUNTS = (
    ("/proc", "proc", "proc", "nosuid noexec nodev"),
    ("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
    ("/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"),
    ("/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k"),
    ("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
    ("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro"),
    ("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime ro"),
    ("/run", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
)

_DEVICES = (  # type, major, minor: what the runtime makes in every container (runtime-spec, config-linux.md#default-devices)
    *(("c", 1, 3), ("c", 1, 8), ("c", 1, 7), ("c", 5, 0), ("c", 1, 5), ("c", 1, 9)),
    *(("c", 5, 1), ("c", 136, None), ("c", 5, 2)),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Numbers of a process's user; names are resolved in the image by whoever can see it."""

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()


def default(namespace: str, id: str) -> Spec:
    """A container that asks for nothing: isolated in seven namespaces, with the 14 usual capabilities."""
    return {
        "ociVersion": "1.1.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": [],
            "env": [PATH],
            "cwd": "/",
            "capabilities": _capability_sets(CAPABILITIES),
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": destination, "type": type, "source": source, "options": options.split()}
            for destination, type, source, options in _MOUNTS
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}, *map(_device_rule, _DEVICES)]},
            "cgroupsPath": f"/{namespace}/{id}",
            "namespaces": [{"type": type} for type in ("pid", "ipc", "uts", "mount", "network", "cgroup")],
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }


def set_process(
    spec: Spec,
    args: Sequence[str],
    *,
    env: Iterable[str] = (),
    cwd: str = "",
    user: User | None = None,
    terminal: bool = False,
) -> None:
    """What runs. Raises InvalidArgument when there is nothing to run, or the working folder is not absolute."""
    if not args:
        raise errors.InvalidArgument("no command to run: the image has none, so name one")
    if cwd and not cwd.startswith("/"):
        raise errors.InvalidArgument(f"working directory {cwd!r} must be an absolute path")
    process = spec["process"]
    process["args"] = list(args)
    process["env"] = merge_env(process["env"], env)
    if terminal:
        process["terminal"] = True
        process["env"] = merge_env(["TERM=xterm"], process["env"])
    if cwd:
        process["cwd"] = cwd
    if user is not None:
        set_user(process, user)


def set_user(process: dict[str, Any], user: User) -> None:
    process["user"] = {"uid": user.uid, "gid": user.gid}
    if user.additional_gids:
        process["user"]["additionalGids"] = list(user.additional_gids)


def merge_env(old: Iterable[str], new: Iterable[str]) -> list[str]:
    """`NAME=value` entries where later ones replace earlier ones of the same name; `NAME` alone unsets it."""
    result: dict[str, str] = {}
    for entry in [*old, *new]:
        name, found, _ = entry.partition("=")
        if not name or "\0" in entry:
            raise errors.InvalidArgument(f"environment entry {entry[:64]!r} is not of the form NAME=value")
        if found:
            result[name] = entry
        else:
            result.pop(name, None)
    return list(result.values())


def set_hostname(spec: Spec, hostname: str) -> None:
    spec["hostname"] = hostname


def add_mounts(spec: Spec, wanted: Iterable[mounts.Mount]) -> None:
    """Mounts on top of the default ones; a destination that is taken is replaced."""
    for mount in wanted:
        if not mount.target.startswith("/"):
            raise errors.InvalidArgument(f"mount destination {mount.target!r} must be an absolute path")
        target = mount.target.rstrip("/") or "/"
        spec["mounts"] = [old for old in spec["mounts"] if old["destination"] != target]
        spec["mounts"].append(
            {"destination": target, "type": mount.type, "source": mount.source, "options": list(mount.options)}
        )


def limit(spec: Spec, *, memory: int | None = None, cpus: float | None = None, pids: int | None = None) -> None:
    """Limits: `memory` in bytes, `cpus` as a number of processors, `pids` as a count (-1: none)."""
    resources = spec["linux"]["resources"]
    if memory is not None:
        resources["memory"] = {"limit": memory}
    if cpus is not None:
        resources["cpu"] = {"quota": int(cpus * CPU_PERIOD), "period": CPU_PERIOD}
    if pids is not None:
        resources["pids"] = {"limit": pids}


def set_read_only(spec: Spec) -> None:
    spec["root"]["readonly"] = True


def share_namespace(spec: Spec, type: str, path: str = "") -> None:
    """Join the namespace at `path`, or with no path stay in the host's."""
    kept = [entry for entry in spec["linux"]["namespaces"] if entry["type"] != type]
    spec["linux"]["namespaces"] = [*kept, {"type": type, "path": path}] if path else kept


def change_capabilities(
    spec: Spec, *, add: Iterable[str] = (), drop: Iterable[str] = (), all: Sequence[str] = ALL_CAPABILITIES
) -> None:
    """Raises InvalidArgument for a name that is no capability; `ALL` means those of `all`."""
    process = spec["process"]
    kept = list(process["capabilities"]["bounding"])
    for name in map(capability, drop):
        kept = [] if name == "ALL" else [old for old in kept if old != name]
    for name in map(capability, add):
        kept += [new for new in (all if name == "ALL" else (name,)) if new not in kept]
    process["capabilities"] = _capability_sets(kept)


def capability(name: str) -> str:
    """The kernel's name of a capability, for `net_admin`, `NET_ADMIN` and `CAP_NET_ADMIN`. Raises InvalidArgument."""
    full = name.upper()
    if full == "ALL":
        return full
    full = full if full.startswith("CAP_") else f"CAP_{full}"
    if full not in ALL_CAPABILITIES:
        raise errors.InvalidArgument(f"capability {name!r} is not known to this version")
    return full


def confine(spec: Spec, machine: str) -> None:
    """The default seccomp profile, fitting the capabilities: after these are settled."""
    bounding = spec["process"]["capabilities"].get("bounding", ())
    spec["linux"]["seccomp"] = seccomp.default_profile(bounding, machine)


def make_privileged(spec: Spec, capabilities: Sequence[str] = ALL_CAPABILITIES) -> None:
    """All these capabilities, all devices, nothing masked: as good as root outside. Namespaces stay."""
    spec["process"]["capabilities"] = _capability_sets(capabilities)
    spec["process"]["noNewPrivileges"] = False
    linux = spec["linux"]
    linux["maskedPaths"], linux["readonlyPaths"] = [], []
    linux["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    linux.pop("seccomp", None)
    for mount in spec["mounts"]:
        if mount["type"] in {"sysfs", "cgroup"}:
            mount["options"] = ["rw" if option == "ro" else option for option in mount["options"]]


def to_bytes(spec: Spec) -> TypedBytes:
    return TypedBytes(type_url=TYPE_URL, value=json.dumps(spec, separators=(",", ":")).encode())


def process_to_bytes(process: Mapping[str, Any]) -> TypedBytes:
    return TypedBytes(type_url=PROCESS_TYPE_URL, value=json.dumps(process, separators=(",", ":")).encode())


def from_bytes(value: TypedBytes | None) -> Spec:
    """The spec of a container. Raises FailedPrecondition when it has none that can be read."""
    try:
        spec = json.loads(value.value) if value else None
    except ValueError as exc:
        raise errors.FailedPrecondition("the container's spec is no JSON") from exc
    if not isinstance(spec, dict):
        raise errors.FailedPrecondition("the container has no spec")
    return spec


def _capability_sets(names: Iterable[str]) -> dict[str, list[str]]:
    chosen = list(names)
    return {"bounding": chosen, "effective": list(chosen), "permitted": list(chosen)}


def _device_rule(device: tuple[str, int, int | None]) -> dict[str, Any]:
    type, major, minor = device
    rule: dict[str, Any] = {"allow": True, "type": type, "major": major, "access": "rwm"}
    if minor is not None:
        rule["minor"] = minor
    return rule
