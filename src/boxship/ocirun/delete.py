"""Delete: nothing of a container stays but its bundle."""

import contextlib
import os
import signal
from collections.abc import Callable

from boxship.linux import cgroups, processes
from boxship.ocirun import container, errors, hooks


def delete(box: container.Container, force: bool = False, *, warn: Callable[[str], None] = lambda _: None) -> None:
    """Remove a container that has stopped, or that was never started; `force` kills one that runs.

    Goes through all steps whatever fails on the way; raises Fault at the end for what could not be removed.
    """
    status = container.status(box)
    if status in {"running", "paused"} and not force:
        message = f"cannot delete container {box.id} that is not stopped: {status}"
        raise errors.SpecFault(message, step="delete")
    state = container.state(box, phase="stopped")
    if box.letters is not None:
        box.letters.close()
        box.letters = None
    if status != "stopped":
        end(box)
    try:
        empty(box.cgroup)
    finally:
        if box.pidfd >= 0:
            os.close(box.pidfd)
            box.pidfd = -1
        try:
            hooks.run(box.spec, "poststop", state)
        except errors.Fault as fault:
            warn(str(fault))


def end(box: container.Container) -> None:
    """Kill init, and reap it if it is our child."""
    with contextlib.suppress(ProcessLookupError):
        processes.send_signal(box.pidfd, signal.SIGKILL)
    if box.cgroup.is_frozen():
        box.cgroup.thaw()
    with contextlib.suppress(ChildProcessError):
        processes.exit_status(box.pidfd)


def empty(cgroup: cgroups.Cgroup) -> None:
    """Kill what is left in the groups and remove them; raises Fault."""
    try:
        if cgroup.exists():
            if cgroup.pids():
                cgroup.signal(signal.SIGKILL)
            cgroup.delete()
    except OSError as failure:
        raise errors.from_os_error("unable to remove the container's cgroup", failure) from None
