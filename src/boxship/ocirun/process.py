"""What the OCI process object asks of a process, checked and turned into numbers, before anything is started."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from boxship.linux import capabilities, rlimits, seccomp
from boxship.ocirun import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The five sets as bits."""

    bounding: int
    effective: int
    permitted: int
    inheritable: int
    ambient: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlimit:
    type: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    policy: int
    flags: int
    nice: int
    priority: int
    runtime: int
    deadline: int
    period: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    args: tuple[str, ...]
    environment: dict[str, str]
    cwd: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    umask: int
    terminal: bool
    rows: int
    columns: int
    capabilities: Capabilities
    no_new_privileges: bool
    rlimits: tuple[Rlimit, ...]
    oom_score_adj: int | None
    apparmor: str
    selinux: str
    io_priority: tuple[int, int] | None
    scheduler: Scheduler | None
    cpus: tuple[int, ...]
    seccomp: seccomp.Filter | None

    def describe(self) -> list[str]:
        """The plan's lines about the process, in the order in which things happen."""
        lines = [f"limit {limit.type} to {limit.soft}:{limit.hard}" for limit in self.rlimits]
        if self.oom_score_adj is not None:
            lines.append(f"set oom_score_adj to {self.oom_score_adj}")
        sets = self.capabilities
        lines.append(f"limit capabilities to {sets.bounding:#x} (effective {sets.effective:#x})")
        if self.no_new_privileges:
            lines.append("set no_new_privs")
        lines.append(f"become user {self.uid}:{self.gid} with groups {list(self.groups)}, umask {self.umask:04o}")
        lines.append(f"enter folder {self.cwd}")
        if self.seccomp is not None:
            lines.append(f"load seccomp filter of {len(self.seccomp.program) // 8} instructions")
        lines.append(f"execute {list(self.args)}")
        return lines


_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_POLICIES = {
    "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}  # fmt: skip
_SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08, "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}  # fmt: skip


def build(
    process: Mapping[str, Any],
    *,
    profile: Mapping[str, Any] | None,
    cache: str | None,
    warn: Callable[[str], None],
) -> Process:
    """Check an OCI process object; raises SpecFault naming the field that cannot be."""
    args = process.get("args") or ()
    if not args:
        raise errors.SpecFault("args must not be empty", step="process.args")
    cwd = process.get("cwd") or ""
    if not cwd.startswith("/"):
        raise errors.SpecFault("Cwd must be an absolute path", step="process.cwd", path=cwd)
    for text in (*args, cwd, *(process.get("env") or ())):
        if "\0" in text:
            raise errors.SpecFault("process: a NUL byte in args, env or cwd", step="process")
    user = process.get("user") or {}
    size = process.get("consoleSize") or {}
    umask = user.get("umask")
    return Process(
        args=tuple(args),
        environment=environment(process.get("env") or ()),
        cwd=cwd,
        uid=_id(user.get("uid", 0), "uid"),
        gid=_id(user.get("gid", 0), "gid"),
        groups=tuple(_id(group, "additionalGids") for group in user.get("additionalGids") or ()),
        umask=0o022 if umask is None else int(umask) & 0o777,
        terminal=bool(process.get("terminal")),
        rows=int(size.get("height") or 0),
        columns=int(size.get("width") or 0),
        capabilities=_capabilities(process.get("capabilities") or {}, warn),  # none said, none given, as runc
        no_new_privileges=bool(process.get("noNewPrivileges")),
        rlimits=tuple(_rlimit(item) for item in process.get("rlimits") or ()),
        oom_score_adj=process.get("oomScoreAdj"),
        apparmor=process.get("apparmorProfile") or "",
        selinux=process.get("selinuxLabel") or "",
        io_priority=_io_priority(process.get("ioPriority")),
        scheduler=_scheduler(process.get("scheduler")),
        cpus=_cpus((process.get("execCPUAffinity") or {}).get("final") or ""),
        seccomp=_seccomp(profile, cache),
    )


def environment(pairs: Any) -> dict[str, str]:
    """`NAME=value` words as a mapping; the last one of a name counts, words without `=` or name are dropped."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if name and equals:
            found[name] = value
    return found


def _id(value: Any, name: str) -> int:
    if not isinstance(value, int) or not 0 <= value < 0xFFFFFFFF:
        raise errors.SpecFault(f"process.user.{name}: {value!r} is no user or group id", step="process.user")
    return value


def _capabilities(sets: Mapping[str, Any], warn: Callable[[str], None]) -> Capabilities:
    bits: dict[str, int] = {}
    unknown: set[str] = set()
    for name in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        bits[name], strange = capabilities.mask(sets.get(name) or ())
        unknown.update(strange)
    if unknown:
        warn(f"ignoring unknown or unavailable capabilities: [{' '.join(sorted(unknown))}]")
    return Capabilities(**bits)


def _rlimit(item: Mapping[str, Any]) -> Rlimit:
    kind = item.get("type", "")
    if kind not in rlimits.NUMBERS:
        raise errors.SpecFault(f"invalid rlimit type: {kind}", step="process.rlimits")
    soft, hard = item.get("soft", 0), item.get("hard", 0)
    return Rlimit(type=kind, soft=soft, hard=hard)


def _io_priority(value: Mapping[str, Any] | None) -> tuple[int, int] | None:
    if not value:
        return None
    klass = _IO_CLASSES.get(value.get("class", ""))
    if klass is None:
        raise errors.SpecFault(f"process.ioPriority.class {value.get('class')!r} is unknown", step="process.ioPriority")
    return klass, int(value.get("priority") or 0)


def _scheduler(value: Mapping[str, Any] | None) -> Scheduler | None:
    if not value:
        return None
    policy = _POLICIES.get(value.get("policy", ""))
    if policy is None:
        raise errors.SpecFault(f"process.scheduler.policy {value.get('policy')!r} is unknown", step="process.scheduler")
    flags = 0
    for name in value.get("flags") or ():
        if name not in _SCHED_FLAGS:
            raise errors.SpecFault(f"process.scheduler flag {name!r} is unknown", step="process.scheduler")
        flags |= _SCHED_FLAGS[name]
    numbers = {key: int(value.get(key) or 0) for key in ("nice", "priority", "runtime", "deadline", "period")}
    return Scheduler(policy=policy, flags=flags, **numbers)


def _cpus(text: str) -> tuple[int, ...]:
    """`0-3,7` as numbers."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or int(last or first) > 8191:
            raise errors.SpecFault(f"process.execCPUAffinity {text!r} is no list of cpus", step="process")
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)


def _seccomp(profile: Mapping[str, Any] | None, cache: str | None) -> seccomp.Filter | None:
    if not profile:
        return None
    try:
        return seccomp.prepare(profile, cache=cache)
    except ValueError as failure:
        raise errors.SpecFault(str(failure), step="linux.seccomp") from None
    except OSError as failure:
        raise errors.SpecFault(failure.strerror or os.strerror(failure.errno or 0), step="linux.seccomp") from None
