"""Containers: what shall run. A container is a record; its running side is a task (core.tasks)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from boxship.terms.labels import Labels
from boxship.terms.typed import TypedBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """`name` such as io.containerd.runc.v2, and the options its shim understands."""

    name: str
    options: TypedBytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A record. `spec` goes out byte for byte as it came in. Times are nanoseconds since the epoch."""

    id: str
    image: str = ""
    runtime: Runtime
    spec: TypedBytes | None = None
    snapshotter: str = ""
    snapshot_key: str = ""
    labels: Labels = field(default_factory=dict)
    extensions: Mapping[str, TypedBytes] = field(default_factory=dict)
    sandbox_id: str = ""
    created_at: int | None = None
    updated_at: int | None = None


class Store(Protocol):
    def get(self, id: str) -> Container:
        """Raises NotFound."""

    def list(self, filters: Sequence[str] = ()) -> Sequence[Container]:
        """Containers that match any of the filters, in order of ids. Raises InvalidArgument for a bad filter."""

    def create(self, container: Container) -> Container:
        """Raises AlreadyExists; InvalidArgument for a bad id, no runtime, or a snapshot key without snapshotter."""

    def update(self, container: Container, paths: Iterable[str] | None = None) -> Container:
        """Change by field mask: `labels[.KEY]`, `spec`, `extensions[.KEY]`, `image`, `snapshotkey`.

        No mask changes all but the snapshotter and the runtime's name, which cannot change.

        Raises:
            NotFound: no such id.
            InvalidArgument: a path or value that cannot change.
        """

    def delete(self, id: str) -> None:
        """Raises NotFound."""
