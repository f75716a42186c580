"""One ingest, open for writing: bytes are hashed as they are written, and made durable before they become a blob."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Self

from boxship.core import content
from boxship.linux import files, trees
from boxship.plugins.content import ingests, timestamps
from boxship.terms import digests, errors
from boxship.terms.labels import Labels

_STEP = 128 << 10
"""Bytes that are written and hashed at a time: still in the processor's cache when they are hashed."""

_AHEAD = 8 << 20
"""Bytes after which the disk may begin: else all of a blob would wait for its commit."""


class Home(Protocol):
    """What a writer needs of its store."""

    def settle(self, data: Path, digest: str) -> None:
        """Move a durable file to its place as a blob, durably. Raises AlreadyExists."""

    def release(self, ref: str) -> None: ...


class IngestWriter:
    """Holds the ref until it is closed or committed."""

    def __init__(
        self, home: Home, path: Path, found: ingests.Found, *, expected: str = "", clock: Callable[[], int]
    ) -> None:
        """Open the data and go on behind what is there, which is read once more for the digest."""
        self._home = home
        self._path = path
        self._found = found
        self._expected = expected
        self._clock = clock
        self._updated_at = found.updated_at
        self._algorithm = digests.algorithm(expected) or digests.CANONICAL
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path / "data", flags, 0o644)
        try:
            self._hash, self._offset = _hashed(self._descriptor, self._algorithm)
            os.lseek(self._descriptor, self._offset, os.SEEK_SET)
            self._begun = self._offset  # where the disk has begun
        except BaseException:
            os.close(self._descriptor)
            raise

    def write(self, data: bytes | memoryview) -> int:
        descriptor = self._opened("write to")
        view = memoryview(data)
        size = len(view)
        taken = 0
        while taken < size:
            with told_plainly(self._path.parents[1]):
                done = os.write(descriptor, view[taken : taken + _STEP])
            self._hash.update(view[taken : taken + done])
            taken += done
            self._offset += done
        if self._offset - self._begun >= _AHEAD:
            self._begin(descriptor)
        self._updated_at = self._clock()
        return taken

    def digest(self) -> str:
        return f"{self._algorithm}:{self._hash.hexdigest()}"

    def status(self) -> content.Status:
        return content.Status(
            ref=self._found.ref,
            offset=self._offset,
            total=self._found.total,
            expected=self._expected,
            started_at=self._found.started_at,
            updated_at=self._updated_at,
        )

    def truncate(self, size: int) -> None:
        descriptor = self._opened("truncate")
        if not 0 <= size <= self._offset:
            raise errors.OutOfRange(f"ref {self._found.ref}: cannot truncate {self._offset} bytes to {size}")
        os.ftruncate(descriptor, size)
        self._hash, self._offset = _hashed(descriptor, self._algorithm)
        os.lseek(descriptor, size, os.SEEK_SET)
        self._begun = size

    def commit(self, size: int, expected: str, labels: Labels | None = None) -> str:
        descriptor = self._opened("commit on")
        try:
            digest = self._checked(descriptor, size, expected)
            with told_plainly(self._path.parents[1]):
                os.fchmod(descriptor, 0o444)
                os.fsync(descriptor)
            with contextlib.suppress(OSError):
                os.utime(descriptor, ns=(self._updated_at, self._found.started_at))
            try:
                self._home.settle(self._path / "data", digest)
            except errors.AlreadyExists:
                self._clear()
                raise
            self._clear()
            return digest
        finally:
            self._shut()

    def _begin(self, descriptor: int) -> None:
        """Let the disk work while more comes. What it refuses, fsync tells."""
        with contextlib.suppress(OSError):
            files.start_writing(descriptor, self._begun, self._offset - self._begun)
        self._begun = self._offset

    def _clear(self) -> None:
        with contextlib.suppress(OSError):
            trees.remove_at(self._path)

    def close(self) -> None:
        if self._descriptor >= 0:
            try:
                with contextlib.suppress(OSError):  # it has been thrown away meanwhile
                    ingests.write_text(self._path / "updatedat", timestamps.to_text(self._updated_at))
            finally:
                self._shut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            self._shut()

    def _opened(self, doing: str) -> int:
        if self._descriptor < 0:
            raise errors.FailedPrecondition(f"cannot {doing} closed writer")
        return self._descriptor

    def _checked(self, descriptor: int, size: int, expected: str) -> str:
        """The digest of what is there, when it is what the caller wants."""
        there = os.fstat(descriptor).st_size
        if size > 0 and size != there:
            raise errors.FailedPrecondition(f"unexpected commit size {there}, expected {size}")
        digest = self.digest()
        if expected and digests.algorithm(digests.parse(expected)) != self._algorithm:
            again, _ = _hashed(descriptor, digests.algorithm(expected))
            digest = f"{digests.algorithm(expected)}:{again.hexdigest()}"
        if expected and digest != expected:
            raise errors.FailedPrecondition(f"unexpected commit digest {digest}, expected {expected}")
        return digest

    def _shut(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        self._home.release(self._found.ref)


@contextlib.contextmanager
def told_plainly(root: Path) -> Iterator[None]:
    """A full disk is a limit that was reached; any other fault of the disk stays an OSError."""
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise errors.no_space("content cannot be written", root, exc.strerror or "") from exc
        raise


def _hashed(descriptor: int, algorithm: str) -> tuple[digests.Hash, int]:
    """The hash of a file from its beginning, and its size."""
    hasher = digests.hasher(algorithm)
    offset = 0
    while data := os.pread(descriptor, content.CHUNK, offset):
        hasher.update(data)
        offset += len(data)
    return hasher, offset


_: type[content.Writer] = IngestWriter
