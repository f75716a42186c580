"""Registries as the rest of the house sees them: names become descriptors, descriptors become bytes, and back."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from boxship.core import content
from boxship.terms import oci


class Resolver(Protocol):
    def resolve(self, reference: str) -> tuple[str, oci.Descriptor]:
        """The full name and what it points at now. Raises NotFound, PermissionDenied, Unauthenticated, Unavailable."""


class Fetcher(Protocol):
    def fetch(
        self, reference: str, descriptor: oci.Descriptor, offset: int = 0
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of a blob or manifest from `offset` on, not yet verified: the content store does that at commit."""


class Pusher(Protocol):
    def push(self, reference: str, descriptor: oci.Descriptor, provider: content.Provider) -> bool:
        """Store a blob or manifest; False when it was there. The last manifest gets the reference's tag."""


class Registry(Resolver, Fetcher, Pusher, Protocol):
    """All of it."""
