"""spec: a configuration to begin with."""

import json
import os
from typing import Any

from boxship.ocirun import errors
from boxship.ocirun.commandline import VERSION, Call

_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
)  # fmt: skip
_READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = {"destination": destination, "type": kind, "source": source}
    if options:
        found["options"] = list(options)
    return found


def example() -> dict[str, Any]:
    """A shell in a container with its own namespaces."""
    quiet = ("nosuid", "noexec", "nodev")
    return {
        "ociVersion": VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {name: list(_CAPABILITIES) for name in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "boxship",
        "mounts": [
            _mount("/proc", "proc", "proc"),
            _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            _mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
                   "gid=5"),
            _mount("/dev/shm", "tmpfs", "shm", *quiet, "mode=1777", "size=65536k"),
            _mount("/dev/mqueue", "mqueue", "mqueue", *quiet),
            _mount("/sys", "sysfs", "sysfs", *quiet, "ro"),
            _mount("/sys/fs/cgroup", "cgroup", "cgroup", *quiet, "relatime", "ro"),
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READONLY),
        },
    }  # fmt: skip


def rootless(document: dict[str, Any]) -> None:
    """Change the example so that a user without privilege may run it."""
    linux = document["linux"]
    linux["namespaces"] = [item for item in linux["namespaces"] if item["type"] != "network"] + [{"type": "user"}]
    linux["uidMappings"] = [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
    linux["gidMappings"] = [{"containerID": 0, "hostID": os.getegid(), "size": 1}]
    del linux["resources"]
    mounts = [item for item in document["mounts"] if item["destination"] not in {"/sys", "/sys/fs/cgroup"}]
    for item in mounts:
        if "options" in item:
            item["options"] = [word for word in item["options"] if not word.startswith("gid=")]
    mounts.append(_mount("/sys", "none", "/sys", "rbind", "nosuid", "noexec", "nodev", "ro"))
    document["mounts"] = mounts


def spec(call: Call) -> int:
    folder = call.options.text("bundle") or "."
    document = example()
    if call.options.on("rootless"):
        rootless(document)
    path = os.path.join(folder, "config.json")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        raise errors.SpecFault("File config.json exists. Remove it first", step="spec", path=path) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent="\t")
    return 0
