"""Writers that make a blob of a namespace out of a backend's ingest, or out of a blob that the backend has already."""

import contextlib
import dataclasses
from typing import Self

from boxship.core import content
from boxship.metadata import checks, holds, leases, rows
from boxship.terms import errors, oci
from boxship.terms.labels import Labels


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a writer's blob goes, and the ref that the backend knows it by."""

    namespace: str
    lease: str
    ref: str
    backend_ref: str


class BlobWriter:
    """Writes through to the backend. An adopted blob counts as written; changing it makes a private copy first."""

    def __init__(
        self,
        table: rows.Rows,
        backend: content.Store,
        busy: holds.Holds,
        *,
        place: Place,
        adopted: content.Info | None,
        total: int,
    ) -> None:
        self._rows = table
        self._backend = backend
        self._busy = busy
        self._place = place
        self._adopted = adopted
        self._total = total
        self._started_at = table.clock()
        self._inner: content.Writer | None = None

    def open(self) -> content.Writer:
        """Open the ingest in the backend, if that is still to be done."""
        if self._inner is None:
            # The digest is not passed on: that the backend has the blob does not mean that this namespace may.
            self._inner = self._backend.writer(self._place.backend_ref, total=self._total)
        return self._inner

    def write(self, data: bytes | memoryview) -> int:
        if self._adopted and len(data):
            self._copy(self._adopted, self._adopted.size)
        return self._inner.write(data) if self._inner else 0

    def digest(self) -> str:
        return self._adopted.digest if self._adopted else self.open().digest()

    def status(self) -> content.Status:
        if self._adopted is None:
            return dataclasses.replace(self.open().status(), ref=self._place.ref)
        return content.Status(
            ref=self._place.ref,
            offset=self._adopted.size,
            total=self._adopted.size,
            expected=self._adopted.digest,
            started_at=self._started_at,
            updated_at=self._started_at,
        )

    def truncate(self, size: int) -> None:
        if self._adopted is None:
            self.open().truncate(size)
        elif not 0 <= size <= self._adopted.size:
            raise errors.OutOfRange(f"cannot truncate {checks.quoted(self._place.ref)} to {size} bytes")
        else:
            self._copy(self._adopted, size)

    def commit(self, size: int, expected: str, labels: Labels | None = None) -> str:
        try:
            checked = checks.checked("info.Labels", labels)
            if self._adopted:
                self._check(self._adopted.size, size)
                if expected not in {"", self._adopted.digest}:
                    raise errors.FailedPrecondition(f"{checks.quoted(self._place.ref)} unexpected digest")
                digest = self._adopted.digest
                with self._busy.holding(digest):
                    return self._record(digest, self._backend.info(digest).size, checked)
            inner = self.open()
            offset = inner.status().offset
            self._check(offset, size)
            digest = expected or inner.digest()
            with self._busy.holding(digest):
                with contextlib.suppress(errors.AlreadyExists):  # brought by another namespace
                    digest = inner.commit(offset, expected)
                return self._record(digest, offset, checked)
        finally:
            self.close()

    def close(self) -> None:
        if self._inner:
            self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _check(self, found: int, size: int) -> None:
        if size not in {0, found}:
            raise errors.FailedPrecondition(
                f"{checks.quoted(self._place.ref)} failed size validation: {found} != {size}"
            )

    def _copy(self, adopted: content.Info, size: int) -> None:
        """Turn the adopted blob into an ingest that begins with its first `size` bytes."""
        inner = self.open()
        inner.truncate(0)
        whole = oci.Descriptor(media_type="", digest=adopted.digest, size=adopted.size)
        with self._backend.reader(whole) as reader:
            offset = 0
            while offset < size and (data := reader.read_at(offset, min(content.CHUNK, size - offset))):
                inner.write(data)
                offset += len(data)
        self._adopted = None

    def _record(self, digest: str, size: int, labels: Labels) -> str:
        """Write the blob's row, which is the moment when it is there. Raises AlreadyExists."""
        place, now = self._place, self._rows.clock()
        with self._rows.writing() as transaction:
            transaction.use(place.namespace)
            sql = """
                INSERT INTO blobs (namespace, digest, size, labels, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING"""
            made = transaction.execute(sql, (place.namespace, digest, size, checks.packed(labels), now, now)).rowcount
            transaction.execute("DELETE FROM ingests WHERE namespace = ? AND ref = ?", (place.namespace, place.ref))
            leases.release(transaction, place.namespace, place.lease, leases.INGESTS, place.ref)
            leases.hold(transaction, place.namespace, place.lease, leases.CONTENT, digest)
            if made:
                transaction.announce(
                    place.namespace, "/content/create", "containerd.events.ContentCreate", digest=digest, size=size
                )
        if not made:
            raise errors.AlreadyExists(f"content {digest}")
        return digest


_: type[content.Writer] = BlobWriter
