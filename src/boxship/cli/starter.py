"""Starting a daemon for somebody who has none: in the background, with its log in a file."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

from boxship.terms import errors

PATIENCE = 15.0
"""Seconds until a daemon that was started must answer."""
_PAUSE = 0.02


def listens(address: str) -> bool:
    """Whether somebody accepts connections at a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def start(address: str, *, log: str, environment: Mapping[str, str], arguments: tuple[str, ...] = ()) -> int:
    """Start a daemon at an address and wait until it answers; returns its pid.

    Raises:
        Unavailable: it did not come up; the message has the end of its log.
        PermissionDenied: only root can run it.
    """
    if os.geteuid() != 0:
        raise errors.PermissionDenied("starting a daemon needs root: use sudo, or ask for one that runs")
    os.makedirs(os.path.dirname(log), mode=0o700, exist_ok=True)
    command = [sys.executable, "-m", "boxship.daemon.main", "--address", address, *arguments]
    with open(log, "ab") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            cwd="/",
            env=dict(environment),
        )
    return _answered(process, address, log)


def _answered(process: "subprocess.Popen[bytes]", address: str, log: str) -> int:
    deadline = time.monotonic() + PATIENCE
    while not listens(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise errors.Unavailable(f"the daemon did not start; the end of {log} says:\n{_tail(log)}")
        time.sleep(_PAUSE)
    process.returncode = 0  # it is on its own from here: nobody waits for it
    return process.pid


def _tail(path: str, limit: int = 2000) -> str:
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - limit))
        return file.read(limit).decode("utf-8", "replace").strip()
