"""Hooks: other people's programs at six points of a container's life, each told the container's state on stdin.

Source: OCI runtime-spec config.md "POSIX-platform Hooks". prestart, createRuntime, poststart and poststop run outside,
createContainer in the container's namespaces with the machine's root, startContainer with the container's root.
"""

import json
import math
import os
import select
import signal
import time
from collections.abc import Mapping
from typing import Any

from boxship.linux import processes
from boxship.ocirun import errors

OUTPUT_LIMIT = 64 * 1024


def wanted(spec: Mapping[str, Any], *kinds: str) -> bool:
    hooks = spec.get("hooks") or {}
    return any(hooks.get(kind) for kind in kinds)


def run(spec: Mapping[str, Any], kind: str, state: Mapping[str, Any]) -> None:
    """Run the hooks of a kind in their order; the first that fails raises Fault."""
    hooks = (spec.get("hooks") or {}).get(kind) or ()
    if not hooks:
        return
    message = json.dumps(state).encode()
    for index, hook in enumerate(hooks):
        try:
            _run(hook, message)
        except (OSError, errors.Fault) as failure:
            reason = failure.strerror if isinstance(failure, OSError) else str(failure)
            path = hook.get("path", "")
            if isinstance(failure, OSError):
                reason = f"fork/exec {path}: {(reason or '').lower()}"
            raise errors.Fault(f"error running {kind} hook #{index}: {reason}", step=kind, path=path) from None


def _run(hook: Mapping[str, Any], message: bytes) -> None:
    path = hook.get("path") or ""
    if not path.startswith("/"):
        raise errors.Fault(f"hook path {path!r} must be absolute", step="hook", path=path)
    environment = dict(pair.partition("=")[::2] for pair in hook.get("env") or ())
    read_in, write_in = os.pipe()
    read_out, write_out = os.pipe()
    try:
        pid = os.posix_spawn(
            path,
            list(hook.get("args") or (path,)),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, read_in, 0),
                (os.POSIX_SPAWN_DUP2, write_out, 1),
                (os.POSIX_SPAWN_DUP2, write_out, 2),
            ],
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    except BaseException:
        for descriptor in (read_in, write_in, read_out, write_out):
            os.close(descriptor)
        raise
    os.close(read_in)
    os.close(write_out)
    pidfd = os.pidfd_open(pid)
    try:
        _attend(pidfd, write_in, read_out, message, hook.get("timeout"))
    finally:
        os.close(pidfd)
        os.close(read_out)


def _attend(pidfd: int, write_in: int, read_out: int, message: bytes, timeout: Any) -> None:
    """Feed the hook, gather what it says, wait for its end, or end it when its time is over."""
    _feed(write_in, message)
    os.set_blocking(read_out, False)
    deadline = time.monotonic() + float(timeout) if timeout else math.inf
    said = b""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(read_out, select.POLLIN)
    open_out, ended = True, False
    while not ended:
        left = deadline - time.monotonic()
        if left <= 0:
            processes.send_signal(pidfd, signal.SIGKILL)
            processes.exit_status(pidfd)
            raise errors.Fault(f"hook ran past specified timeout of {float(timeout)}s", step="hook")
        ready = poll.poll(None if left == math.inf else left * 1000)
        ended = any(descriptor == pidfd for descriptor, _ in ready)
        chunk = _chunk(read_out) if open_out else None
        if chunk == b"":
            open_out = False
            poll.unregister(read_out)
        said = (said + (chunk or b""))[-OUTPUT_LIMIT:]
    status = processes.exit_status(pidfd)
    if status:
        how = f"exit status {status}" if status <= 128 else f"signal {status - 128}"
        text = said.decode("utf-8", "replace").strip()
        raise errors.Fault(f"{how}, stdout and stderr: {text}", step="hook")


def _chunk(descriptor: int) -> bytes | None:
    """b"" at the end, None when there is nothing yet."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None


def _feed(descriptor: int, message: bytes) -> None:
    """A hook that does not read its state is not at fault; the state fits into a pipe's buffer."""
    os.set_blocking(descriptor, False)
    former = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        os.write(descriptor, message)
    except (BrokenPipeError, BlockingIOError):
        return
    finally:
        signal.signal(signal.SIGPIPE, former)
        os.close(descriptor)
