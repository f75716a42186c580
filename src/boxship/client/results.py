"""What the client's conveniences answer with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxship.core import tasks
from boxship.terms import errors

if TYPE_CHECKING:
    from boxship.core import introspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a command ended and what it wrote; `errors` is empty with a terminal, which has one output only."""

    exit_status: int
    output: bytes = b""
    errors: bytes = b""

    def check(self) -> Result:
        """Itself when the command succeeded. Raises Unknown with the end of its errors when not."""
        if self.exit_status:
            said = (self.errors or self.output)[-500:].decode(errors="replace").strip()
            raise errors.Unknown(f"command exited with status {self.exit_status}{': ' if said else ''}{said}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a container is. Without a task it is CREATED, with pid 0.

    Attributes:
        exit_status: of a STOPPED one: 128 + n when signal n ended it.
        exited_at: nanoseconds since the epoch.
    """

    status: tasks.Status
    pid: int = 0
    exit_status: int | None = None
    exited_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A daemon and what it holds under one namespace.

    Attributes:
        root: the daemon's folder, as far as it tells; empty when it does not.
        snapshotter: the one that is used when nobody names one.
        failed: parts that could not load, with their reasons.
    """

    version: introspection.Version
    server: introspection.Server
    root: str
    snapshotter: str
    snapshotters: Sequence[str]
    containers: int
    running: int
    images: int
    failed: Sequence[introspection.Plugin]
