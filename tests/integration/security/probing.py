"""Running the probe in containers: the host's Python and the libraries that it needs are mounted there, read-only."""

import json
import os
import pathlib
import sys

PROBE = pathlib.Path(__file__).with_name("probe.py")
PYTHON = os.path.realpath(sys.executable)
FOLDERS = sorted({"/usr", "/lib", "/lib64", sys.base_prefix})
SHARED = {path: path for path in FOLDERS if os.path.isdir(path)} | {"/probe.py": str(PROBE)}
"""Targets and sources."""
COMMAND = [PYTHON, "-I", "-S", "-B", "/probe.py"]


def mounts():
    from boxship.core import mounts as kinds

    options = ("rbind", "ro")
    return [
        kinds.Mount(type="bind", source=source, target=target, options=options) for target, source in SHARED.items()
    ]


def words():
    """The same for ctr."""
    return [
        word
        for target, source in SHARED.items()
        for word in ("--mount", f"type=bind,src={source},dst={target},options=rbind:ro")
    ]


def read(output):
    """What the probe said, without what we have mounted for it."""
    found = json.loads(output)
    for target in list(found["mounts"]):
        if any(target == each or target.startswith(f"{each}/") for each in SHARED):
            del found["mounts"][target]
    return found
