"""Starting a daemon for somebody who has none: in the background, with its log in a file."""

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping

from boxship.terms import errors

PATIENCE = 15.0
"""Seconds until a daemon that was started must answer."""
_PAUSE = 0.02
_OTHERS = 1.0
"""Seconds that a daemon gets which somebody else may be starting, when ours has given up."""


def listens(address: str) -> bool:
    """Whether somebody accepts connections at a socket."""
    return listener(address) is not None


def listener(address: str) -> int | None:
    """The pid of who listens at a socket (0: not told), None when nobody accepts connections there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(address)
            told = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    return int(struct.unpack("3i", told)[0])


def start(address: str, *, log: str, environment: Mapping[str, str], arguments: tuple[str, ...] = ()) -> int:
    """Start a daemon at an address and wait until one answers; returns its pid.

    When somebody else starts one at the same moment, that one is as good, and ours goes.

    Raises:
        Unavailable: it did not come up; the message has what it logged.
        PermissionDenied: only root can run it.
    """
    if os.geteuid() != 0:
        raise errors.PermissionDenied(f"no daemon listens on {address}, and only root can start one: use sudo")
    os.makedirs(os.path.dirname(os.path.abspath(log)), mode=0o700, exist_ok=True)
    command = [sys.executable, "-m", "boxship.daemon.main", "--address", address, *arguments]
    with open(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
        logged = file.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            cwd="/",
            env=dict(environment),
        )
    pid = _answering(process, address)
    if pid is None:
        process.kill()
        process.wait()
        raise errors.Unavailable(f"the daemon did not start; {log} says:\n{_tail(log, logged)}")
    if pid not in {0, process.pid}:
        process.terminate()
        process.wait()
        return pid
    process.returncode = 0  # it is on its own from here: nobody waits for it
    return process.pid


def _answering(process: "subprocess.Popen[bytes]", address: str) -> int | None:
    """Wait until somebody answers, or our process has ended and nobody else comes for a while."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (found := listener(address)) is not None:
            return found
        if process.poll() is not None:
            deadline = min(deadline, time.monotonic() + _OTHERS)
        time.sleep(_PAUSE)
    return None


def _tail(path: str, start: int, limit: int = 2000) -> str:
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - limit))
        return file.read(limit).decode("utf-8", "replace").strip()
