"""Content: immutable blobs named by digest, and the ingests that become blobs.

A blob is written through an ingest, which has a `ref` chosen by the client. One writer holds a ref at a time;
who comes later gets Unavailable. Bytes are appended; a writer that is closed without a commit leaves the ingest
behind, and opening the same ref again goes on where it stopped. `commit` checks size and digest, makes the bytes
durable and turns the ingest into a blob. A blob that is there already makes writing it AlreadyExists.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from boxship.terms import errors, oci
from boxship.terms.labels import Labels

CHUNK = 1 << 20
"""Bytes that readers and writers move at a time by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A blob. `created_at` and `updated_at` are nanoseconds since the epoch."""

    digest: str
    size: int = 0
    created_at: int | None = None
    updated_at: int | None = None
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """An ingest on its way. `total` is 0 and `expected` empty when unknown."""

    ref: str
    offset: int = 0
    total: int = 0
    expected: str = ""
    started_at: int | None = None
    updated_at: int | None = None


class Reader(Protocol):
    """A blob opened for reading; a context manager. Safe for use by one thread at a time."""

    @property
    def size(self) -> int: ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer only at the end, none behind it."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Writer(Protocol):
    """An ingest opened for writing; a context manager. Leaving it keeps the ingest, locked for nobody.

    Safe for use by one thread at a time.
    """

    def write(self, data: bytes | memoryview) -> int:
        """Append; returns the number of bytes taken, which is all of them."""

    def digest(self) -> str:
        """The digest of what has been written so far."""

    def status(self) -> Status: ...

    def truncate(self, size: int) -> None:
        """Cut the ingest to `size` bytes, no more than it has. Raises OutOfRange."""

    def commit(self, size: int, expected: str, labels: Labels | None = None) -> str:
        """Make the blob, durably, and return its digest. The writer is closed by this.

        `size` 0 and `expected` "" mean unknown.

        Raises:
            FailedPrecondition: size or digest differ from what was written; the ingest stays.
            AlreadyExists: the blob is there; the ingest is gone.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Provider(Protocol):
    def reader(self, descriptor: oci.Descriptor) -> Reader:
        """Open a blob; only the descriptor's digest is needed. Raises NotFound."""


class Ingester(Protocol):
    def writer(self, ref: str, *, total: int = 0, expected: str = "") -> Writer:
        """Open or resume the ingest `ref`.

        Raises:
            InvalidArgument: no ref.
            Unavailable: another writer holds it.
            AlreadyExists: the expected blob is there.
        """


class Manager(Protocol):
    def info(self, digest: str) -> Info:
        """Raises NotFound."""

    def update(self, info: Info, paths: Iterable[str] | None = None) -> Info:
        """Change labels by field mask. Raises NotFound; InvalidArgument for a path that cannot change."""

    def walk(self, filters: Sequence[str] = ()) -> Iterator[Info]:
        """Blobs that match any of the filters, in order of digests. Raises InvalidArgument for a bad filter."""

    def delete(self, digest: str) -> None:
        """Raises NotFound."""


class IngestManager(Protocol):
    def status(self, ref: str) -> Status:
        """Raises NotFound."""

    def list_statuses(self, filters: Sequence[str] = ()) -> list[Status]: ...

    def abort(self, ref: str) -> None:
        """Throw an ingest away. Raises NotFound; Unavailable while a writer holds it."""


class Store(Manager, Provider, Ingester, IngestManager, Protocol):
    """All of it."""


def read_blob(provider: Provider, descriptor: oci.Descriptor, limit: int) -> bytes:
    """A whole small blob.

    Raises:
        NotFound: no such blob.
        ResourceExhausted: it is larger than `limit` bytes.
    """
    with provider.reader(descriptor) as reader:
        if reader.size > limit:
            raise errors.ResourceExhausted(
                f"blob {descriptor.digest} has {reader.size} bytes, more than the {limit} allowed"
            )
        parts: list[bytes] = []
        offset = 0
        while offset < reader.size and (data := reader.read_at(offset, reader.size - offset)):
            parts.append(data)
            offset += len(data)
        return b"".join(parts)


def write_blob(
    ingester: Ingester, ref: str, data: bytes, descriptor: oci.Descriptor, labels: Labels | None = None
) -> None:
    """Store a whole small blob; that it is there already is as good.

    Labels are not added to a blob that exists: the caller updates them when they matter.
    """
    try:
        with ingester.writer(ref, total=len(data), expected=descriptor.digest) as writer:
            if writer.status().offset != len(data):  # else it was there under another namespace and is adopted
                writer.truncate(0)
                writer.write(data)
            writer.commit(len(data), descriptor.digest, labels)
    except errors.AlreadyExists:
        return
