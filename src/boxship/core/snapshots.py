"""Snapshots: file systems that build on each other.

Words:
    key     names an active or viewed snapshot: one that can be mounted.
    name    names a committed snapshot: one that can be a parent.
    parent  the committed snapshot below.
Keys and names share one space per snapshotter and namespace.

A layer is unpacked so: `prepare(key, parent)` gives mounts; the layer is applied to them; `commit(name, key)`
makes key vanish and name appear. A container runs so: `prepare(key, parent)`, mount, run, unmount, `remove(key)`.
`view` is prepare for reading only and can never be committed.
"""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from boxship.core.mounts import Mount  # by name: a method here is called `mounts`
from boxship.terms.labels import Labels


class Kind(enum.Enum):
    UNKNOWN = "Unknown"
    VIEW = "View"
    ACTIVE = "Active"
    COMMITTED = "Committed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A snapshot; `name` holds its key while it is active or a view. Times are nanoseconds since the epoch."""

    name: str
    kind: Kind
    parent: str = ""
    labels: Labels = field(default_factory=dict)
    created_at: int | None = None
    updated_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a snapshot alone takes, without its parents: bytes and inodes."""

    size: int = 0
    inodes: int = 0


class Snapshotter(Protocol):
    """All methods may be called from many threads."""

    def stat(self, key: str) -> Info:
        """Raises NotFound."""

    def update(self, info: Info, paths: Iterable[str] | None = None) -> Info:
        """Change labels by field mask. Raises NotFound; InvalidArgument for a path that cannot change."""

    def usage(self, key: str) -> Usage:
        """Of a committed snapshot what was recorded, of an active one what is there now. Raises NotFound."""

    def mounts(self, key: str) -> list[Mount]:
        """How to mount an active snapshot or view; changes nothing.

        Raises:
            NotFound: no such key.
            FailedPrecondition: it is committed.
        """

    def prepare(self, key: str, parent: str = "", *, labels: Labels | None = None) -> list[Mount]:
        """A new active snapshot.

        Raises:
            AlreadyExists: the key is taken.
            NotFound: no such parent.
            FailedPrecondition: the parent is not committed.
        """

    def view(self, key: str, parent: str = "", *, labels: Labels | None = None) -> list[Mount]:
        """As prepare, for reading only."""

    def commit(self, name: str, key: str, *, parent: str = "", labels: Labels | None = None) -> None:
        """Freeze an active snapshot, durably. `parent` rebases, where the snapshotter can.

        Raises:
            AlreadyExists: the name is taken.
            NotFound: no such key.
            FailedPrecondition: the key is not active.
        """

    def remove(self, key: str) -> None:
        """Raises NotFound; FailedPrecondition while others build on it."""

    def walk(self, filters: Sequence[str] = ()) -> Iterator[Info]:
        """Snapshots that match any of the filters. Raises InvalidArgument for a bad filter."""

    def close(self) -> None: ...


class Cleaner(Protocol):
    """Optional power: throw away what no snapshot owns any more."""

    def cleanup(self) -> None: ...
