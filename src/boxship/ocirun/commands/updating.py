"""update."""

import json
import sys
from typing import Any

from boxship.ocirun import container, errors
from boxship.ocirun import update as updating
from boxship.ocirun.commandline import Call

_LIMIT = 1 << 20
# option -> where it goes in the resources object
_NUMBERS = {
    "blkio-weight": ("blockIO", "weight"),
    "cpu-period": ("cpu", "period"),
    "cpu-quota": ("cpu", "quota"),
    "cpu-burst": ("cpu", "burst"),
    "cpu-share": ("cpu", "shares"),
    "cpu-rt-period": ("cpu", "realtimePeriod"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime"),
    "cpu-idle": ("cpu", "idle"),
    "memory": ("memory", "limit"),
    "memory-reservation": ("memory", "reservation"),
    "memory-swap": ("memory", "swap"),
    "pids-limit": ("pids", "limit"),
}
_TEXTS = {"cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems")}
_SUFFIXES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def update(call: Call) -> int:
    box = call.store.load(call.arguments[0])
    if container.status(box) == "stopped":
        raise errors.SpecFault("container not running", step="update")
    for name in ("l3-cache-schema", "mem-bw-schema"):
        if call.options.given(name):
            raise errors.SpecFault(f"--{name}: Intel RDT is not supported", step="update")
    path = call.options.text("resources")
    resources = _read(path) if path else _from_options(call)
    updating.update(box, resources)
    spec = dict(box.spec)
    linux = dict(spec.get("linux") or {})
    linux["resources"] = _merged(linux.get("resources") or {}, resources)
    spec["linux"] = linux
    box.spec = spec
    call.store.save(box)
    return 0


def _merged(former: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(former)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return merged


def _read(path: str) -> dict[str, Any]:
    if path == "-":
        content = sys.stdin.buffer.read(_LIMIT)
    else:
        with open(path, "rb") as file:
            content = file.read(_LIMIT)
    found = json.loads(content)
    if not isinstance(found, dict):
        raise errors.SpecFault("resources: an object is expected", step="update")
    return found


def _from_options(call: Call) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    for name, (group, key) in _NUMBERS.items():
        if call.options.given(name):
            resources.setdefault(group, {})[key] = _number(name, call.options.text(name))
    for name, (group, key) in _TEXTS.items():
        if call.options.given(name):
            resources.setdefault(group, {})[key] = call.options.text(name)
    return resources


def _number(name: str, text: str) -> int:
    lowered = text.lower().removesuffix("b")
    factor = _SUFFIXES.get(lowered[-1:], 1) if name.startswith("memory") else 1
    digits = lowered[:-1] if factor > 1 else lowered
    try:
        return int(digits) * factor
    except ValueError:
        raise errors.SpecFault(f"invalid value for {name}: {text!r}", step="update") from None
