"""Signals, and standing still."""

import signal as signals

from boxship.linux import processes
from boxship.ocirun import container, errors


def kill(box: container.Container, signal: int, everyone: bool = False) -> None:
    """Send a signal to init, or to every process of the container; raises ProcessLookupError when none is there."""
    if everyone:
        if not box.cgroup.exists() or not box.cgroup.pids():
            raise ProcessLookupError(f"container {box.id} has no process")
        box.cgroup.signal(signal)
        return
    if not container.is_alive(box):
        raise ProcessLookupError(f"init of container {box.id} has ended")
    processes.send_signal(box.pidfd, signal)
    if signal == signals.SIGKILL and box.cgroup.is_frozen():
        box.cgroup.thaw()  # what stands still does not die either, of version 1


def pause(box: container.Container) -> None:
    """Stop all processes until resume; raises Fault when there is nothing to stop, OSError when they do not."""
    status = container.status(box)
    if status not in {"created", "running"}:
        raise errors.SpecFault("container not running", step="pause")
    box.cgroup.freeze()


def resume(box: container.Container) -> None:
    """Raises Fault when the container is not paused."""
    if container.status(box) != "paused":
        raise errors.SpecFault("container not paused", step="resume")
    box.cgroup.thaw()
