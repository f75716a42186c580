"""What a container asks of the OCI runtime that makes it: ours in process (`inprocess`), or a program (`program`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from boxship.linux import cgroups
from boxship.terms import errors

Given = tuple[int, int, int]
"""The descriptors that become a process's 0, 1, 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process that exists: a child of ours. `console` is the master of its terminal, ours to close."""

    pid: int
    console: int | None = None


class Failed(errors.Unknown):
    """The runtime's own words, as clients show them. Its class is Unknown, as in containerd."""


class Runtime(Protocol):
    """One container. Calls block for as long as the runtime needs. All raise Failed."""

    @property
    def cgroup(self) -> cgroups.Cgroup | None:
        """The container's groups, once it exists."""

    @property
    def shares_pids(self) -> bool:
        """Whether the container has no pid namespace of its own, so that nobody ends its processes with its init."""

    def state(self) -> dict[str, Any]:
        """For `restore`, with our descriptors left open."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Instead of `create`: go on where others stopped."""

    def create(self, given: Given, *, terminal: bool) -> Started:
        """Make the container; its init waits for `start`."""

    def start(self) -> None: ...

    def execute(self, process: Mapping[str, Any], given: Given, *, terminal: bool) -> Started:
        """Run another process in it; `process` is the OCI object."""

    def kill(self, number: int, *, everyone: bool) -> None:
        """Raises NotFound when the process has ended."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def update(self, resources: Mapping[str, Any]) -> None: ...

    def checkpoint(self, path: str, options: Mapping[str, Any]) -> None: ...

    def pids(self) -> list[int]: ...

    def delete(self, *, force: bool) -> None:
        """Take away what is left of it. `force` also kills what still runs."""
