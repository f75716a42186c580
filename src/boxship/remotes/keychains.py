"""Programs that are asked one question and answer on standard output: Docker's credential helpers.

They are strangers' programs: they may hang, talk without end, or leave children behind that hold on to their output.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import IO

OUTPUT_LIMIT = 1024 * 1024
PATIENCE = 30.0
"""Seconds for the whole answer."""


def ask(command: Sequence[str], question: bytes) -> tuple[int | None, bytes]:
    """Exit status and output; no status when the program cannot run, talks too much or takes too long."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            process_group=0,
        )
    except OSError:
        return None, b""
    until = time.monotonic() + PATIENCE
    with process:
        try:
            output = _exchange(process, question, until)
            return process.wait(max(0.0, until - time.monotonic())), output
        except (TimeoutError, subprocess.TimeoutExpired, OverflowError):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return None, b""


def _exchange(process: subprocess.Popen[bytes], question: bytes, until: float) -> bytes:
    if process.stdin is None or process.stdout is None:
        return b""
    with contextlib.suppress(BrokenPipeError):  # it may know the answer without reading the question
        process.stdin.write(question)
    process.stdin.close()
    ended = os.pidfd_open(process.pid)
    try:
        return _read(process.stdout, ended, until)
    finally:
        os.close(ended)


def _read(source: IO[bytes], ended: int, until: float) -> bytes:
    """The output up to its end, or to the end of the program: a child that it left may hold the pipe for ever.

    Raises TimeoutError, OverflowError.
    """
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while len(output) <= OUTPUT_LIMIT:
            ready = {key.fd for key, _ in selector.select(max(0.0, until - time.monotonic()))}
            if not ready or time.monotonic() > until:
                raise TimeoutError
            piece = os.read(source.fileno(), 65536) if source.fileno() in ready else b""
            if not piece:
                return output
            output += piece
    raise OverflowError
