"""Staying with a process of a container: its terminal, its signals, and its end."""

import signal

from boxship.cli import terminals, world
from boxship.client._sync import processes
from boxship.terms import errors


def stay(around: world.World, process: processes.Process, *, terminal: bool) -> int:
    """Until the process ends; returns its exit status. Signals go to the process, and so does the terminal's size."""
    if terminal:
        _resize(around, process)
        with terminals.raw(around), terminals.following((signal.SIGWINCH,), lambda _: _resize(around, process)):
            return process.wait()
    with terminals.following(terminals.FORWARDED, process.kill):
        return process.wait()


def _resize(around: world.World, process: processes.Process) -> None:
    size = terminals.size(around)
    if size:
        try:
            process.resize(*size)
        except errors.Error:
            return


def exit_code(exc: errors.Error) -> int:
    """What a command that could not be run gives to a script, as Docker does: 127 not found, 126 not executable."""
    text = str(exc)
    if "executable file not found" in text or "no such file or directory" in text.lower():
        return 127
    if "permission denied" in text or "exec format error" in text:
        return 126
    return 125
