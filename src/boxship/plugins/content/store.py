"""The store: `blobs/<algorithm>/<hex>` and `ingest/<sha256 of the ref>/`, as containerd lays them out."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from boxship.core import content
from boxship.linux import trees
from boxship.plugins.content import ingests, timestamps, writer
from boxship.terms import digests, errors, filters, oci

ALGORITHMS = ("sha256", "sha384", "sha512")


class BlobReader:
    """A blob opened for reading. `fileno` is for those who can have the kernel move the bytes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    @property
    def size(self) -> int:
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()


class LocalStore:
    """Blobs below one folder. Many threads may use it; one process at a time.

    Labels are not kept: `update` refuses, `commit` passes over them.
    """

    def __init__(self, root: Path, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Makes the folders where they are missing, and removes what a crash has left.

        Args:
            root: becomes 0700.
            clock: nanoseconds since the epoch.
        """
        self._root = root
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
        for name in ("ingest", "blobs"):
            (root / name).mkdir(mode=0o755, exist_ok=True)
        for name in ALGORITHMS:
            (root / "blobs" / name).mkdir(mode=0o755, exist_ok=True)
        for place in (root / "blobs", root, root.parent):
            _sync_folder(place)
        ingests.tidy(root)

    def info(self, digest: str) -> content.Info:
        try:
            found = self.blob_path(digest).stat()
        except FileNotFoundError:
            raise errors.NotFound(f"content {digest}") from None
        return _info(digest, found)

    def update(self, info: content.Info, paths: Iterable[str] | None = None) -> content.Info:
        raise errors.FailedPrecondition("update not supported on immutable content store")

    def walk(self, wanted: Sequence[str] = ()) -> Iterator[content.Info]:
        chosen = filters.parse_all(wanted)
        for name in sorted(ALGORITHMS):
            with os.scandir(self._root / "blobs" / name) as entries:
                names = sorted(entry.name for entry in entries)
            for encoded in names:
                try:
                    info = self.info(f"{name}:{encoded}")
                except (errors.NotFound, errors.InvalidArgument):
                    continue  # gone since, or no blob
                if chosen.matches(_fields_of_blob(info)):
                    yield info

    def delete(self, digest: str) -> None:
        path = self.blob_path(digest)
        try:
            path.unlink()
        except FileNotFoundError:
            raise errors.NotFound(f"content {digest}") from None

    def reader(self, descriptor: oci.Descriptor) -> BlobReader:
        path = self.blob_path(descriptor.digest)
        try:
            return BlobReader(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        except FileNotFoundError:
            raise errors.NotFound(f"blob {descriptor.digest} expected at {path}: blob not found") from None

    def writer(self, ref: str, *, total: int = 0, expected: str = "") -> writer.IngestWriter:
        if not ref:
            raise errors.InvalidArgument("ref must not be empty")
        if expected and self.blob_path(expected).exists():
            raise errors.AlreadyExists(f"content {expected}")
        self._hold(ref)
        try:
            path = ingests.folder(self._root, ref)
            with writer.told_plainly(self._root):
                found = self._begun(path, ref, total)
                return writer.IngestWriter(self, path, found, expected=expected, clock=self._clock)
        except BaseException:
            self.release(ref)
            raise

    def status(self, ref: str) -> content.Status:
        try:
            return ingests.read(ingests.folder(self._root, ref)).status()
        except errors.NotFound:
            raise errors.NotFound(f"ingest ref {ref!r}") from None

    def list_statuses(self, wanted: Sequence[str] = ()) -> list[content.Status]:
        chosen = filters.parse_all(wanted)
        found = []
        for name in os.listdir(self._root / "ingest"):
            with contextlib.suppress(errors.NotFound):
                found.append(ingests.read(self._root / "ingest" / name).status())
        return sorted(
            (status for status in found if chosen.matches(_fields_of_ingest(status))),
            key=lambda status: status.ref,
        )

    def abort(self, ref: str) -> None:
        self._hold(ref)
        try:
            path = ingests.folder(self._root, ref)
            if not path.exists():
                raise errors.NotFound(f"ingest ref {ref!r}")
            trees.remove_at(path)
        finally:
            self.release(ref)

    def blob_path(self, digest: str) -> Path:
        """Raises InvalidArgument when it is no digest: what gets through here becomes a path."""
        try:
            digests.parse(digest)
        except errors.InvalidArgument as exc:
            raise errors.InvalidArgument(f"cannot calculate blob path from invalid digest: {exc.message}") from None
        return self._root / "blobs" / digests.algorithm(digest) / digests.encoded(digest)

    def settle(self, data: Path, digest: str) -> None:
        target = self.blob_path(digest)
        if target.exists():
            raise errors.AlreadyExists(f"content {digest}")
        data.rename(target)
        _sync_folder(target.parent)

    def release(self, ref: str) -> None:
        with self._lock:
            self._held.pop(ref, None)

    def _hold(self, ref: str) -> None:
        now = self._clock()
        with self._lock:
            since = self._held.get(ref)
            if since is None:
                self._held[ref] = now
                return
        waited = (now - since) / timestamps.SECOND
        raise errors.Unavailable(f"ref {ref} locked for {waited:.3f}s (since {timestamps.to_text(since)})")

    def _begun(self, path: Path, ref: str, total: int) -> ingests.Found:
        """What is there of the ingest, when it can be gone on with; else a fresh one."""
        with contextlib.suppress(errors.NotFound):
            found = ingests.read(path)
            if found.ref == ref and (not total or not found.total or found.total == total):
                return found
        ingests.create(path, ref, total, now := self._clock())
        return ingests.Found(ref=ref, offset=0, total=total, started_at=now, updated_at=now)


def _fields_of_blob(info: content.Info) -> filters.Field:
    values: dict[tuple[str, ...], str] = {("digest",): info.digest, ("size",): str(info.size)}
    return lambda path: values.get(tuple(path))


def _fields_of_ingest(status: content.Status) -> filters.Field:
    return lambda path: status.ref if tuple(path) == ("ref",) else None


def _info(digest: str, found: os.stat_result) -> content.Info:
    return content.Info(
        digest=digest,
        size=found.st_size,
        created_at=found.st_mtime_ns,
        updated_at=max(found.st_atime_ns, found.st_mtime_ns),
    )


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_: type[content.Store] = LocalStore
