"""What this shim is and can, for `-info`."""

import contextlib
import io
import json
import os
import shutil
from typing import Any

from boxship.api import any_pb2, runc_options_pb2, types_pb2
from boxship.ocirun.commands import showing

NAME = "io.containerd.boxship.v1"
FEATURES_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
_SECONDS = 20.0
_OPTIONS_NAME = "containerd.runc.v1.Options"


def describe(version: str, options: bytes) -> bytes:
    """An encoded containerd.types.RuntimeInfo.

    Args:
        version: of the shim.
        options: the encoded Any of runtime options, which is passed back; may be empty.

    Raises:
        LookupError: the options name a program that is not there.
    """
    given = any_pb2.Any.FromString(options)
    document = _features(_binary(given))
    return types_pb2.RuntimeInfo(
        name=NAME,
        version=types_pb2.RuntimeVersion(version=version),
        options=given if options else None,
        features=any_pb2.Any(type_url=FEATURES_TYPE, value=document) if document else None,
    ).SerializeToString()


def _binary(given: any_pb2.Any) -> str:
    """The OCI runtime that the options name, empty for our own."""
    if not given.type_url.endswith(_OPTIONS_NAME):
        return ""
    name: str = runc_options_pb2.Options.FromString(given.value).binary_name
    if not name:
        return ""
    found = shutil.which(name)
    if found is None:
        why = f"stat {name}: no such file or directory" if "/" in name else "executable file not found in $PATH"
        if os.path.exists(name) and "/" in name:
            why = "permission denied"
        raise LookupError(f'failed to look up the path of "{name}": exec: "{name}": {why}')
    return found


def _features(binary: str) -> bytes:
    """The OCI runtime's own document; empty when the program knows of none, which came with runc 1.1."""
    if not binary:
        nothing: Any = None  # the command looks at no argument
        with contextlib.redirect_stdout(io.StringIO()) as document:
            showing.features(nothing)
        return document.getvalue().encode()
    command = [binary, "features"]
    import subprocess  # only here: a running shim has no use for it

    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    try:
        json.loads(done.stdout)
    except ValueError:
        return b""
    return done.stdout if done.returncode == 0 else b""
