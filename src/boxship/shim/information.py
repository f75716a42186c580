"""What this shim is and can, for `-info`."""

import contextlib
import io
from typing import Any

from boxship.api import any_pb2, types_pb2
from boxship.ocirun.commands import showing

FEATURES_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/features/Features"


def describe(name: str, version: str, options: bytes) -> bytes:
    """An encoded containerd.types.RuntimeInfo.

    Args:
        name: of the shim.
        version: of the shim.
        options: the encoded Any of runtime options, which is passed back; may be empty.
    """
    nothing: Any = None  # the command looks at no argument
    with contextlib.redirect_stdout(io.StringIO()) as document:
        showing.features(nothing)
    return types_pb2.RuntimeInfo(
        name=name,
        version=types_pb2.RuntimeVersion(version=version),
        options=any_pb2.Any.FromString(options) if options else None,
        features=any_pb2.Any(type_url=FEATURES_TYPE, value=document.getvalue().encode()),
    ).SerializeToString()
