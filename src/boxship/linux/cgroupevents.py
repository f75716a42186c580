"""Out of memory in a control group, as a descriptor that becomes readable.

Version 1: an eventfd registered in cgroup.event_control; version 2: inotify on memory.events.
"""

import contextlib
import ctypes
import os

from boxship.linux import calls, cgroupfiles

IN_MODIFY = 0x00000002
IN_CLOEXEC = 0o2000000
IN_NONBLOCK = 0o4000

_inotify_init1 = calls.function("inotify_init1", ctypes.c_int)
_inotify_add_watch = calls.function("inotify_add_watch", ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)


class OomWatch:
    """Readable in select or poll whenever `read` may have news. Closing it is the caller's."""

    def __init__(self, descriptor: int, file: str, *others: int, seen: int | None = None) -> None:
        """`file` holds the number of kills so far, of which `seen` were told of."""
        self._descriptor = descriptor
        self._others = others
        self._file = file
        self._seen = self._total() if seen is None else seen

    def state(self) -> list[int]:
        """For `restore`, with the descriptors left open: what was seen, and them."""
        return [self._seen, self._descriptor, *self._others]

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> int:
        """How many processes were killed for lack of memory since the last call; 0 when it was something else."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 4096)
        total = self._total()
        news, self._seen = total - self._seen, max(total, self._seen)
        return max(news, 0)

    def close(self) -> None:
        for descriptor in (self._descriptor, *self._others):
            os.close(descriptor)

    def _total(self) -> int:
        return cgroupfiles.pairs(cgroupfiles.read(self._file)).get("oom_kill", 0)


def watch_unified(folder: str) -> OomWatch:
    """Of a version 2 group; raises OSError."""
    events = os.path.join(folder, "memory.events")
    descriptor = calls.checked(_inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1")
    try:
        calls.checked(_inotify_add_watch(descriptor, calls.encoded(events), IN_MODIFY), "inotify_add_watch", events)
        return OomWatch(descriptor, events)
    except OSError:
        os.close(descriptor)
        raise


def watch_legacy(folder: str) -> OomWatch:
    """Of a version 1 memory group; raises OSError."""
    control_path = os.path.join(folder, "memory.oom_control")
    with contextlib.ExitStack() as undo:
        control = os.open(control_path, os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, control)
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        undo.callback(os.close, event)
        cgroupfiles.write(os.path.join(folder, "cgroup.event_control"), f"{event} {control}")
        watch = OomWatch(event, control_path, control)
        undo.pop_all()
    return watch


def restore(folder: str, state: list[int]) -> OomWatch:
    """The watch of a state, on the group that it was of."""
    seen, descriptor, *others = state
    # only version 1 needs a second descriptor
    file = "memory.oom_control" if others else "memory.events"
    return OomWatch(descriptor, os.path.join(folder, file), *others, seen=seen)
