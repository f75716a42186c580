"""The process that works on a layer: entry point `boxship.plugins.layers.worker:run` of the zygote.

It gets JSON arguments and descriptors, the first of which is a pipe for the answer: one JSON object, either
`{"result": …}` or `{"error": class, "message": text}`. It holds no database, and limits of its own on memory, time and
descriptors: a hostile layer ends this process and nothing else.
"""

import gc
import json
import os
import resource
import select
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from boxship.core import tar
from boxship.linux import files
from boxship.plugins.layers import applying, codecs, faults, flushing, streams
from boxship.terms import errors

_MEMORY = 1 << 30
_SECONDS = 3600
_DESCRIPTORS = 512


def run(arguments: Mapping[str, Any], fds: Sequence[int]) -> None:
    """Do what `arguments["do"]` says, `apply` or `compare`, and answer on the first descriptor."""
    _limit()
    gc.disable()  # a layer leaves no cycles worth finding, and looking touches every page of the template
    os.umask(0)
    threading.Thread(target=_leave_with, args=(fds[0],), name="watch", daemon=True).start()
    work({**arguments, "exact": True}, fds)


def work(arguments: Mapping[str, Any], fds: Sequence[int]) -> None:
    """As `run`, without changing anything of this process."""
    answer, *rest = fds
    try:
        text = json.dumps({"result": _WORK[arguments["do"]](arguments, rest)})
    except errors.Error as exc:
        text = _failure(type(exc), exc.message)
    except (MemoryError, RecursionError):
        text = _failure(errors.ResourceExhausted, "the layer needs more memory than a worker may have")
    except OSError as exc:
        text = _failure(type(faults.of(exc, "")), f"failed to work on a layer: {exc}")
    except Exception as exc:  # the answer is all that the daemon sees
        text = _failure(errors.Internal, f"failed to work on a layer: {type(exc).__name__}: {exc}")
    os.write(answer, text.encode())


def apply(arguments: Mapping[str, Any], fds: Sequence[int]) -> dict[str, Any]:
    """Apply the layer behind the first descriptor to the folder behind the second.

    Returns digest and size of the uncompressed stream, and warnings.
    """
    blob, root = fds
    options = applying.Options(
        overlay=arguments["overlay"], lowers=arguments["lowers"], exact=arguments.get("exact", False)
    )
    pieces = codecs.pieces(lambda size: os.read(blob, size))
    with streams.HashedStream(pieces) as stream, flushing.Flusher(root) as flusher:

        def read(size: int) -> bytes:
            piece = stream.read(size)
            flusher.add(len(piece))
            return piece

        reader = tar.Reader(read)
        applier = applying.Applier(root, options)
        applier.run(reader)
        reader.drain()
        if arguments["sync"]:
            files.syncfs(root)
        return {"digest": stream.digest, "size": stream.size, "warnings": applier.warnings}


def compare(arguments: Mapping[str, Any], fds: Sequence[int]) -> dict[str, Any]:
    """Write the layer that leads from the second descriptor's folder to the third's into the first, a pipe.

    Returns the digest of the uncompressed stream.
    """
    from boxship.plugins.layers import comparing  # most layers are applied, and nobody waits for what that needs not

    output, *lowers, upper = fds
    lower = lowers[0] if lowers else -1
    options = comparing.Options(overlay=arguments["overlay"], clamp=arguments["clamp"])
    return {"digest": comparing.write(output, lower, upper, arguments["media_type"], options)}


_WORK = {"apply": apply, "compare": compare}


def _leave_with(answer: int) -> None:
    """End this process when nobody waits for its answer any more."""
    watch = select.poll()
    watch.register(answer, 0)
    watch.poll()
    os._exit(1)


def _limit() -> None:
    for what, limit in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (allowed, allowed))


def _failure(kind: type[errors.Error], message: str) -> str:
    known = next(base for base in kind.__mro__ if base in errors.CLASSES)
    return json.dumps({"error": known.__name__, "message": message[:8000]})
