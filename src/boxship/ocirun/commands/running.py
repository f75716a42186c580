"""start, kill, delete, pause, resume."""

import os
import signal
import time

from boxship.ocirun import container, errors, hooks, store
from boxship.ocirun import delete as deleting
from boxship.ocirun import kill as killing
from boxship.ocirun.commandline import Call

_PATIENCE = 10.0


def start(call: Call) -> int:
    """Open the FIFO that init waits for; what comes after its `0` is why the program could not be executed."""
    box = call.store.load(call.arguments[0])
    found = container.status(box)
    if found == "stopped":
        raise errors.SpecFault("cannot start a container that has stopped", step="start")
    if found != "created":
        raise errors.SpecFault("cannot start an already running container", step="start")
    path = os.path.join(call.store.folder(box.id), store.FIFO)
    said = _release(path, box)
    os.unlink(path)
    if said:
        raise errors.decode(said)
    box.started = True
    try:
        hooks.run(box.spec, "poststart", container.state(box, phase="running"))
    except errors.Fault:
        if box.pidfd >= 0:
            deleting.end(box)
        raise
    return 0


def _release(path: str, box: container.Container) -> bytes:
    """All that init writes: `0`, then nothing when it executes, since that closes its end, or a fault."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        said = b""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                chunk = os.read(descriptor, 65536)
            except BlockingIOError:
                chunk = None
            if chunk:
                said += chunk
            elif chunk == b"" and said:
                return said[1:]
            elif not container.is_alive(box):
                if said:
                    return said[1:]
                raise errors.SpecFault("cannot start a container that has stopped", step="start")
            time.sleep(0.0005)
        raise errors.Fault("timed out waiting for init to execute", step="start")
    finally:
        os.close(descriptor)


def kill(call: Call) -> int:
    number = _signal(call.arguments[1] if len(call.arguments) > 1 else "SIGTERM")
    box = call.store.load(call.arguments[0])
    everyone = call.options.on("all")
    try:
        killing.kill(box, number, everyone)
    except ProcessLookupError:
        if everyone:  # nobody left is what was wanted
            return 0
        raise errors.SpecFault("container not running", step="kill") from None
    return 0


def _signal(text: str) -> int:
    if text.isdigit():
        return int(text)
    name = text.upper()
    found = getattr(signal.Signals, name if name.startswith("SIG") else f"SIG{name}", None)
    if found is None:
        raise errors.SpecFault(f'unknown signal "{text}"', step="kill")
    return int(found)


def delete(call: Call) -> int:
    id = call.arguments[0]
    force = call.options.on("force")
    try:
        box = call.store.load(id)
    except errors.SpecFault:
        # what a maker that died half way has left
        if force or os.path.isdir(call.store.folder(id)):
            call.store.forget(id)
        if force:
            return 0
        raise
    deleting.delete(box, force, warn=call.journal.warning)
    call.store.forget(id)
    return 0


def pause(call: Call) -> int:
    killing.pause(call.store.load(call.arguments[0]))
    return 0


def resume(call: Call) -> int:
    killing.resume(call.store.load(call.arguments[0]))
    return 0
