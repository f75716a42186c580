"""The kinds of parts that a daemon is made of, by containerd's names for them, each with what its parts are.

A part of another distribution registers under one of these (see wiring.strangers).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from boxship.core import book, content, diff, events, gc, introspection, snapshots, tasks
from boxship.wiring.kinds import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where this daemon keeps things and is found. `grpc` and `ttrpc` are paths of sockets."""

    root: Path
    state: Path
    grpc: str
    ttrpc: str

    def folder(self, kind: Kind[Any], name: str) -> Path:
        """What lasts goes here, a folder for each part; made by whoever needs it."""
        return self.root / f"{kind}.{name}"

    def scratch(self, kind: Kind[Any], name: str) -> Path:
        """What is gone after a reboot goes here."""
        return self.state / f"{kind}.{name}"


PLACES = Kind[Places]("boxship.places.v1")
"""Given to every daemon; no client sees it."""


class Forks(Protocol):
    """Has processes that are ready when asked for (boxship.zygote)."""

    def start(self) -> None:
        """Have the first one ready soon."""

    def spawn(self, entry: str, arguments: Mapping[str, Any] | None = None, fds: Sequence[int] = ()) -> int:
        """A new process that runs an entry point; its pid. Raises OSError; ValueError for no such entry."""


FORKS = Kind[Forks]("boxship.forks.v1")
"""Given to every daemon, which says what the entry points are; no client sees it."""

CONTENT = Kind[content.Store]("io.containerd.content.v1")
"""Blobs and ingests, of no namespace."""

SNAPSHOTTER = Kind[snapshots.Snapshotter]("io.containerd.snapshotter.v1")
"""File systems, of no namespace, under the part's name."""

METADATA = Kind[book.Books]("io.containerd.metadata.v1")
"""The namespaced book over content and snapshotters."""

GC = Kind[gc.Collector]("io.containerd.gc.v1")
EVENTS = Kind[events.Exchange]("io.containerd.event.v1")

DIFFER = Kind[Callable[[content.Store], diff.Service]]("io.containerd.differ.v1")
"""What applies and compares layers, given the content they are in."""

TASKS = Kind[Callable[[str], tasks.Manager]]("io.containerd.runtime.v2")
"""The tasks of a namespace, given its name."""

INTROSPECTION = Kind[introspection.Introspector]("boxship.introspection.v1")
"""Given to every daemon; no client sees it."""


class Adapter(Protocol):
    """What answers a service: one method per RPC, and the service's descriptor, which `wire.methods` reads."""

    SERVICE: Any


GRPC = Kind[Adapter]("io.containerd.grpc.v1")
"""What answers clients."""

TTRPC = Kind[Adapter]("io.containerd.ttrpc.v1")
"""What answers shims."""
