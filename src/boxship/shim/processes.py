"""A process of a container as its clients see it: from created to deleted."""

import enum
from collections.abc import Callable, Mapping
from typing import Any

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

    def ended(self, exit_status: int, exited_at: int) -> None:
        """Note the end. `tell` comes after."""
        self.status = Status.STOPPED
        self.exit_status = exit_status
        self.exited_at = exited_at
        if self.streams is not None:
            self.streams.process_ended()

    def tell(self) -> None:
        """Answer who waits."""
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

    def state(self) -> dict[str, Any]:
        """For `restored`; who waits must wait anew."""
        return {
            "id": self.id,
            "names": self.names.state(),
            "streams": self.streams and self.streams.state(),
            "pid": self.pid,
            "status": int(self.status),
            "exit_status": self.exit_status,
            "exited_at": self.exited_at,
        }


def restored(state: Mapping[str, Any], streams: Callable[[stdio.Names], stdio.Streams]) -> Process:
    """The process of a state. `streams` makes closed ones, to be restored in their turn."""
    process = Process(state["id"], stdio.Names(**state["names"]))
    process.pid, process.status = state["pid"], Status(state["status"])
    process.exit_status, process.exited_at = state["exit_status"], state["exited_at"]
    if state["streams"] is not None:
        process.streams = streams(process.names)
        process.streams.restore(state["streams"])
    return process
