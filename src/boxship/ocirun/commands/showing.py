"""state, list, ps, events, features."""

import contextlib
import json
import os
import select
import sys
import time
from typing import Any

from boxship.linux import capabilities, cgroups, mounts, namespaces, seccomp
from boxship.ocirun import container, errors, options
from boxship.ocirun.commandline import VERSION, Call


def _moment(nanoseconds: int) -> str:
    """As Go writes a time: no zeros at the end of the fraction."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    fraction = f"{rest:09}".rstrip("0")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + (f".{fraction}" if fraction else "") + "Z"


def _describe(box: container.Container) -> dict[str, Any]:
    found = container.state(box)
    document: dict[str, Any] = {
        "ociVersion": found["ociVersion"],
        "id": box.id,
        "pid": found["pid"],
        "status": found["status"],
        "bundle": box.bundle,
        "rootfs": box.rootfs,
        "created": _moment(box.created),
    }
    if found["annotations"]:
        document["annotations"] = found["annotations"]
    return document


def state(call: Call) -> int:
    document = _describe(call.store.load(call.arguments[0]))
    document["owner"] = ""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False))
    return 0


def list_all(call: Call) -> int:
    style = _style(call)
    if call.options.on("quiet"):
        for id in call.store.ids():
            sys.stdout.write(f"{id}\n")
        return 0
    documents: list[dict[str, Any]] = []
    for id in call.store.ids():
        with contextlib.suppress(errors.SpecFault):  # deleted meanwhile
            box = call.store.load(id)
            owner = os.stat(call.store.folder(id)).st_uid
            documents.append({**_describe(box), "owner": _user_name(owner)})
    if style == "json":
        sys.stdout.write(json.dumps(documents or None, separators=(",", ":"), ensure_ascii=False) + "\n")
        return 0
    rows = [("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")]
    keys = ("id", "pid", "status", "bundle", "created", "owner")
    rows += [tuple(str(document[key]) for key in keys) for document in documents]  # type: ignore[misc]
    widths = [max(12, *(len(row[column]) + 3 for row in rows)) for column in range(5)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        sys.stdout.write("".join(cells) + row[5] + "\n")
    return 0


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _style(call: Call) -> str:
    style = call.options.text("format", "table")
    if style not in {"table", "json"}:
        raise errors.SpecFault("invalid format option", step="format")
    return style


def ps(call: Call) -> int:
    style = _style(call)
    box = call.store.load(call.arguments[0])
    pids = sorted(box.cgroup.pids())
    if style == "json":
        sys.stdout.write(json.dumps(pids) + "\n")
        return 0
    import subprocess

    words = call.arguments[1:] or ["-ef"]
    done = subprocess.run(["ps", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.SpecFault(f"ps: {done.stderr.strip()}", step="ps")
    lines = done.stdout.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise errors.SpecFault("Couldn't find PID field in ps output", step="ps")
    column = titles.index("PID")
    wanted = {str(pid) for pid in pids}
    shown = [line for line in lines[1:] if line.split()[column : column + 1] and line.split()[column] in wanted]
    sys.stdout.write("\n".join([lines[0], *shown]) + "\n")
    return 0


def events(call: Call) -> int:
    """Statistics as runc's JSON lines; without --stats every interval, with OOM kills between, until init ends."""
    box = call.store.load(call.arguments[0])
    if container.status(box) == "stopped":
        raise errors.SpecFault(f"container with id {box.id} is not running", step="events")
    if call.options.on("stats"):
        _say(box, "stats", _statistics(box.cgroup))
        return 0
    interval = _seconds(call.options.text("interval", "5s"))
    watch = box.cgroup.oom_watch()
    poll = select.poll()
    poll.register(watch.fileno(), select.POLLIN)
    poll.register(box.pidfd, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(interval * 1000)}
        if watch.fileno() in ready and watch.read():
            _say(box, "oom", None)
        if box.pidfd in ready:
            watch.close()
            return 0
        if not ready:
            _say(box, "stats", _statistics(box.cgroup))


def _seconds(text: str) -> float:
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    for unit, factor in units.items():
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * factor
    raise errors.SpecFault(f"duration interval must be greater than 0: {text!r}", step="events")


def _say(box: container.Container, kind: str, data: Any) -> None:
    document = {"type": kind, "id": box.id}
    if data is not None:
        document["data"] = data
    sys.stdout.write(json.dumps(document, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _statistics(cgroup: cgroups.Cgroup) -> dict[str, Any]:
    """In the shape of runc's events."""
    found = cgroup.statistics()
    cpu, memory, pids = found.get("cpu", {}), found.get("memory", {}), found.get("pids", {})
    if found["version"] == 2:
        usage = {key: cpu.get(f"{key}_usec", 0) * 1000 for key in ("user", "system")}
        total = cpu.get("usage_usec", 0) * 1000
        cpu_document: dict[str, Any] = {
            "usage": {"total": total, "kernel": usage["system"], "user": usage["user"]},
            "throttling": {
                "periods": cpu.get("nr_periods", 0),
                "throttledPeriods": cpu.get("nr_throttled", 0),
                "throttledTime": cpu.get("throttled_usec", 0) * 1000,
            },
        }
        entry = {"limit": memory.get("usage_limit", 0), "usage": memory.get("usage", 0), "failcnt": 0}
        memory_document: dict[str, Any] = {"cache": memory.get("file", 0), "usage": entry, "raw": memory}
    else:
        usage_document = dict(cpu.get("usage", {}))
        usage_document["percpu"] = usage_document.pop("per_cpu", [])
        cpu_document = {"usage": usage_document, "throttling": cpu.get("throttling", {})}
        memory_document = {
            "cache": memory.get("cache", 0),
            "usage": memory.get("usage", {}),
            "swap": memory.get("swap", {}),
            "kernel": memory.get("kernel", {}),
            "kernelTCP": memory.get("kernel_tcp", {}),
            "raw": {key: value for key, value in memory.items() if isinstance(value, int)},
        }
    return {
        "cpu": cpu_document,
        "memory": memory_document,
        "pids": pids,
        "blkio": found.get("blkio", found.get("io", {})),
        "hugetlb": found.get("hugetlb", {}),
        "intel_rdt": {},
        "network_interfaces": None,
    }


def features(call: Call) -> int:  # noqa: ARG001
    """What this runtime can do, in the shape of the OCI features document."""
    words = {*mounts.FLAGS, *mounts.PROPAGATION, *options.RECURSIVE, "tmpcopyup", "idmap", "ridmap"}
    document: dict[str, Any] = {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": sorted(words),
        "linux": {
            "namespaces": sorted(namespaces.KINDS),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": _seccomp_features(),
            "apparmor": {"enabled": os.path.isdir("/sys/kernel/security/apparmor")},
            "selinux": {"enabled": os.path.isdir("/sys/fs/selinux/class")},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "annotations": {"org.opencontainers.runc.checkpoint.enabled": "false"},
        "potentiallyUnsafeConfigAnnotations": [],
    }
    with contextlib.suppress(OSError):
        version = ".".join(map(str, seccomp.library_version()))
        document["annotations"]["io.github.seccomp.libseccomp.version"] = version
    sys.stdout.write(json.dumps(document, indent=4) + "\n")
    return 0


def _seccomp_features() -> dict[str, Any]:
    try:
        seccomp.library_version()
    except OSError:
        return {"enabled": False}
    return {
        "enabled": True,
        "actions": sorted(seccomp.ACTIONS),
        "operators": sorted(seccomp.OPERATORS),
        "archs": sorted(seccomp.ARCHITECTURES),
        "knownFlags": sorted(seccomp.FLAGS),
        "supportedFlags": sorted(seccomp.FLAGS),
    }
