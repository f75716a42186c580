"""The container's specification, `config.json` of the bundle. It stays on disk; what is kept of it is small."""

import json
import os
from collections.abc import Mapping
from typing import Any

from boxship.terms import errors

LIMIT = 16 << 20
_KEPT = ("ociVersion", "annotations", "hooks")


def read(bundle: str) -> dict[str, Any]:
    """All of it. Raises Unknown, which is what containerd's plain errors become."""
    path = os.path.join(bundle, "config.json")
    try:
        with open(path, "rb") as file:
            raw = file.read(LIMIT + 1)
        if len(raw) > LIMIT:
            raise errors.InvalidArgument(f"{path} is longer than {LIMIT} bytes")
        spec = json.loads(raw)
    except (OSError, ValueError) as error:
        raise errors.Unknown(f"failed to read the container's configuration: {error}") from error
    if not isinstance(spec, dict):
        raise errors.Unknown(f"{path} holds no JSON object")
    return spec


def outline(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What is needed as long as the container lives: what its state tells, its hooks, its pid namespace."""
    kept = {name: spec[name] for name in _KEPT if spec.get(name)}
    namespaces = (spec.get("linux") or {}).get("namespaces") or ()
    own = any(each.get("type") == "pid" and not each.get("path") for each in namespaces)
    return {**kept, "linux": {"namespaces": [{"type": "pid"}] if own else []}}


def shares_pids(spec: Mapping[str, Any]) -> bool:
    """Whether there is no pid namespace of its own: none asked for, or one joined by path."""
    return not outline(spec)["linux"]["namespaces"]
