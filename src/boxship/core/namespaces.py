"""Namespaces keep clients apart: whatever a client stores, it stores under one of these names.

Writing under a name makes it; `create` makes it with labels. It can be deleted when nothing lives in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from boxship.terms.labels import Labels

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A namespace and what is said about it."""

    name: str
    labels: Labels = field(default_factory=dict)


class Store(Protocol):
    def create(self, name: str, labels: Labels) -> Info:
        """Raises AlreadyExists; InvalidArgument if the name is no identifier."""

    def get(self, name: str) -> Info:
        """Answers for every name: one that nobody made has no labels, since writing under it would make it."""

    def update(self, info: Info, paths: Iterable[str] | None = None) -> Info:
        """Change labels by field mask (see terms.labels.updated), making the namespace when nobody did yet.

        Raises InvalidArgument for a path that is no label, or a name that is no identifier.
        """

    def delete(self, name: str) -> None:
        """Raises NotFound; FailedPrecondition naming what still lives there."""

    def walk(self) -> Iterator[Info]:
        """All namespaces in order of their names."""
