"""Leases hold things that nothing else refers to yet, such as the layers of an image that is being pulled.

Whatever is written under a lease belongs to it. When the lease goes, what only it held is collected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from boxship.terms.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What keeps things from being collected, as long as it exists."""

    id: str
    created_at: int | None = None
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`type` is content, ingests, images or snapshots/SNAPSHOTTER; `id` the digest, ref, name or key."""

    id: str
    type: str


class Manager(Protocol):
    def create(self, id: str = "", labels: Labels | None = None) -> Lease:
        """Without an id one is made up. Raises AlreadyExists."""

    def delete(self, id: str, *, synchronous: bool = False) -> None:
        """`synchronous` waits for collection. Raises NotFound."""

    def list(self, filters: Sequence[str] = ()) -> Sequence[Lease]:
        """Raises InvalidArgument for a bad filter."""

    def add_resource(self, id: str, resource: Resource) -> None:
        """Raises NotFound for the lease; NotImplemented for an unknown type; FailedPrecondition for a bad digest."""

    def delete_resource(self, id: str, resource: Resource) -> None:
        """Raises NotFound for the lease."""

    def list_resources(self, id: str) -> Sequence[Resource]:
        """Raises NotFound for the lease."""
