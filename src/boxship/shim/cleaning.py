"""After a shim that died without cleaning up: end what it left of a container, and say how its init ended."""

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from boxship.api import task_v3_pb2
from boxship.shim import leftovers, making, rootfs
from boxship.wire import times

KILLED = 128 + signal.SIGKILL
_LIMIT = 1 << 20
_PATIENCE = 4.0  # seconds for a foreign runtime; whoever called us gives up after five


def delete(arguments: dict[str, Any], fds: list[int]) -> None:
    """The zygote's entry point: write the answer of `clean` to the first descriptor."""
    os.umask(0o077)
    answer = clean(arguments["bundle"], arguments["namespace"], arguments["id"], arguments.get("runtime_root") or "")
    with open(fds[0], "wb") as out:
        out.write(answer)


def clean(bundle: str, namespace: str, id: str, runtime_root: str = "") -> bytes:
    """Kill, remove and unmount what is left in the bundle; an encoded DeleteResponse. Works as far as it can."""
    complaints = []
    steps: tuple[Callable[[], None], ...] = (
        lambda: _delete_foreign(bundle, namespace, id, runtime_root),
        lambda: leftovers.clear(bundle),
        lambda: rootfs.unmount(os.path.join(bundle, "rootfs")),
    )
    for step in steps:
        try:
            step()
        except (OSError, ValueError) as error:
            complaints.append(str(error))
    if complaints:
        os.write(2, f"cleaning up after the shim of {id}: {'; '.join(complaints)}\n".encode())
    status, exited_at = leftovers.exit_of(bundle) or (KILLED, time.time_ns())
    return task_v3_pb2.DeleteResponse(
        pid=_init_pid(bundle), exit_status=status, exited_at=times.message(exited_at)
    ).SerializeToString()


def _delete_foreign(bundle: str, namespace: str, id: str, runtime_root: str) -> None:
    """A container of a foreign OCI runtime is that runtime's to delete."""
    try:
        with open(os.path.join(bundle, "options.json"), "rb") as file:
            options = json.loads(file.read(_LIMIT))
    except FileNotFoundError:
        return
    binary = options.get("binary_name")
    if not binary:
        return
    root = os.path.join(options.get("root") or runtime_root or making.DEFAULT_RUNTIME_ROOT, namespace)
    systemd = ["--systemd-cgroup"] if options.get("systemd_cgroup") else []
    import subprocess  # only here: a running shim has no use for it

    try:
        subprocess.run(
            [binary, "--root", root, *systemd, "delete", "--force", id],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise TimeoutError(f"{binary} delete {id} took more than {_PATIENCE:.0f} s") from exc


def _init_pid(bundle: str) -> int:
    try:
        with open(os.path.join(bundle, "init.pid"), encoding="ascii") as file:
            return int(file.read(32))
    except (OSError, ValueError):
        return 0
