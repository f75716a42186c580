"""A process of a container as its clients see it: from created to deleted."""

import enum
import time
from collections.abc import Callable

from boxship.shim import later, stdio

DRAIN_SECONDS = 10.0  # how long a deletion waits for output that is still on its way, as containerd does


class Status(enum.IntEnum):
    """Numbers of containerd.v1.types.Status."""

    CREATED = 1
    RUNNING = 2
    STOPPED = 3
    PAUSED = 4


class Process:
    """State, streams and exit of the init process (`id` "") or of an exec."""

    def __init__(self, id: str, names: stdio.Names) -> None:
        self.id, self.names = id, names
        self.streams: stdio.Streams | None = None
        self.pid = 0
        self.status = Status.CREATED
        self.exit_status = 0
        self.exited_at: int | None = None  # nanoseconds since the epoch
        self.deleting = False
        self._waiting: list[later.Later] = []

    def wait(self) -> later.Later:
        """Settled with the process when it has ended."""
        answer = later.Later()
        if self.status is Status.STOPPED:
            answer.settle(self)
        else:
            self._waiting = [each for each in self._waiting if not each.abandoned]
            self._waiting.append(answer)
        return answer

    def ended(self, exit_status: int) -> None:
        """Note the end and tell who waits."""
        self.status = Status.STOPPED
        self.exit_status = exit_status
        self.exited_at = time.time_ns()
        if self.streams is not None:
            self.streams.process_ended()
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.settle(self)

    def when_drained(self, then: Callable[[], None]) -> None:
        """Call when the output has been carried, or has had its time."""
        if self.streams is None:
            then()
        else:
            self.streams.when_drained(DRAIN_SECONDS, then)

    def close(self) -> None:
        if self.streams is not None:
            self.streams.close()
            self.streams = None
