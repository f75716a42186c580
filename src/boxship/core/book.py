"""The book: everything that is kept under one namespace, bound to it.

`book = books.namespace("k8s.io")` and then `book.content`, `book.images`: no call below this line names a namespace.
With a lease, whatever is written through the book belongs to the lease.
"""

from collections.abc import Mapping
from typing import Protocol

from boxship.core import containers, content, images, leases, namespaces, snapshots


class Book(Protocol):
    @property
    def content(self) -> content.Store: ...

    @property
    def images(self) -> images.Store: ...

    @property
    def containers(self) -> containers.Store: ...

    @property
    def leases(self) -> leases.Manager: ...

    @property
    def snapshotters(self) -> Mapping[str, snapshots.Snapshotter]: ...


class Books(Protocol):
    def namespace(self, name: str, lease: str = "") -> Book:
        """The bound view; cheap, made for every call.

        Raises:
            InvalidArgument: the name is no identifier.
            NotFound: the lease does not exist (told at the first write).
        """

    @property
    def namespaces(self) -> namespaces.Store: ...
