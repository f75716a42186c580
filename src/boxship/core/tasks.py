"""Tasks: the running side of containers. One task per container, with an init process and any number of execs.

A task is created (its init exists and waits), started, maybe execs are added and started in it, it exits, and is
deleted, which gives the exit status back for the last time. A task that has exited stays until it is deleted.
`exec_id` "" means the init process.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from boxship.terms.typed import TypedBytes

if TYPE_CHECKING:  # which take longer to load than all of this, and `boxship ps` needs neither
    from boxship.core import mounts
    from boxship.terms import oci


class Status(enum.Enum):
    """Numbers as in containerd.v1.types.Status."""

    UNKNOWN = 0
    CREATED = 1
    RUNNING = 2
    STOPPED = 3
    PAUSED = 4
    PAUSING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class IO:
    """Where a process reads and writes: paths of FIFOs or URIs (`file://`, `binary://`); empty means nowhere."""

    stdin: str = ""
    stdout: str = ""
    stderr: str = ""
    terminal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """State of a process. `exited_at` in nanoseconds since the epoch."""

    container_id: str
    id: str
    pid: int
    status: Status
    io: IO = field(default_factory=IO)
    exit_status: int = 0
    exited_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a process ended; 128 + n when signal n ended it."""

    id: str = ""
    pid: int = 0
    status: int
    exited_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfo:
    """One process of a task, with what its shim tells about it."""

    pid: int
    info: TypedBytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Statistics of one task: `data` is io.containerd.cgroups.v1.Metrics or ….v2.Metrics."""

    id: str
    timestamp: int
    data: TypedBytes


class Manager(Protocol):
    """Tasks of one namespace. All methods may be called from many threads.

    Every method raises NotFound when there is no such task or process.
    """

    def create(
        self,
        id: str,
        *,
        rootfs: Sequence[mounts.Mount],
        io: IO,
        checkpoint: oci.Descriptor | None = None,
        options: TypedBytes | None = None,
        runtime_path: str = "",
    ) -> int:
        """Make the task of an existing container and return its init's pid.

        Raises:
            NotFound: no such container.
            AlreadyExists: it has a task.
        """

    def start(self, id: str, exec_id: str = "") -> int:
        """Release the process; returns its pid."""

    def delete(self, id: str) -> Exit:
        """Forget a task that has exited or never ran; its shim goes too."""

    def delete_process(self, id: str, exec_id: str) -> Exit: ...

    def get(self, id: str, exec_id: str = "") -> Process: ...

    def list(self, filter: str = "") -> Sequence[Process]: ...

    def kill(self, id: str, *, signal: int, exec_id: str = "", all: bool = False) -> None:
        """Raises NotFound when the process has exited."""

    def exec(self, id: str, exec_id: str, *, io: IO, spec: TypedBytes) -> None:
        """Add a process; `start` runs it. Raises AlreadyExists."""

    def resize_pty(self, id: str, *, width: int, height: int, exec_id: str = "") -> None: ...

    def close_io(self, id: str, *, stdin: bool, exec_id: str = "") -> None: ...

    def pause(self, id: str) -> None: ...

    def resume(self, id: str) -> None: ...

    def pids(self, id: str) -> Sequence[ProcessInfo]: ...

    def checkpoint(
        self, id: str, *, parent: str = "", options: TypedBytes | None = None
    ) -> Sequence[oci.Descriptor]: ...

    def update(self, id: str, *, resources: TypedBytes | None, annotations: Mapping[str, str]) -> None: ...

    def metrics(self, filters: Sequence[str] = ()) -> Sequence[Metric]: ...

    def wait(self, id: str, exec_id: str = "") -> Future[Exit]:
        """Completes when the process exits; at once when it has exited."""
