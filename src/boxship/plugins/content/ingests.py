"""The folder of an ingest: `data`, and beside it `ref`, `startedat`, `updatedat` and `total`, small texts each.

The layout is containerd's, so that a daemon of either kind goes on with what the other has begun.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from boxship.core import content
from boxship.linux import trees
from boxship.plugins.content import timestamps
from boxship.terms import digests, errors

_TEXT_LIMIT = 64 << 10


def folder(root: Path, ref: str) -> Path:
    """Where an ingest lives; refs are chosen by clients, so only their hash becomes a path."""
    return root / "ingest" / digests.encoded(digests.of(ref.encode("utf-8", "surrogatepass")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lies in an ingest's folder."""

    ref: str
    offset: int
    total: int
    started_at: int
    updated_at: int

    def status(self) -> content.Status:
        return content.Status(
            ref=self.ref,
            offset=self.offset,
            total=self.total,
            started_at=self.started_at,
            updated_at=self.updated_at,
        )


def read(path: Path) -> Found:
    """Raises NotFound when there is no ingest, or only a part of its folder."""
    try:
        data = (path / "data").stat()
        ref = _text(path / "ref")
    except (OSError, UnicodeDecodeError) as exc:
        raise errors.NotFound(f"{exc}: {path.name}") from exc
    try:
        total = _text(path / "total")
    except (OSError, UnicodeDecodeError):
        total = ""
    return Found(
        ref=ref,
        offset=data.st_size,
        total=int(total) if total.isdecimal() and total.isascii() else 0,
        started_at=_time(path / "startedat", data.st_mtime_ns),
        updated_at=_time(path / "updatedat", data.st_mtime_ns),
    )


def tidy(root: Path) -> None:
    """Remove what a crash has left of ingests: folders that cannot be read, or that their ref does not lead to."""
    for path in (root / "ingest").iterdir():
        try:
            if folder(root, read(path).ref) == path:
                continue
        except errors.NotFound:
            pass
        with contextlib.suppress(OSError):
            trees.remove_at(path)


def create(path: Path, ref: str, total: int, now: int) -> None:
    """Begin anew, whatever lay there."""
    with contextlib.suppress(OSError):
        trees.remove_at(path)
    path.mkdir(mode=0o755)
    write_text(path / "ref", ref)
    write_text(path / "startedat", timestamps.to_text(now))
    write_text(path / "updatedat", timestamps.to_text(now))
    if total > 0:
        write_text(path / "total", str(total))


def write_text(path: Path, text: str) -> None:
    """Replace a small file; a reader sees the old text or the new one."""
    beside = path.with_name(f"{path.name}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        os.write(descriptor, text.encode("utf-8", "surrogatepass"))
    finally:
        os.close(descriptor)
    beside.rename(path)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_TEXT_LIMIT).decode("utf-8", "surrogatepass")


def _time(path: Path, default: int) -> int:
    try:
        found = timestamps.from_text(_text(path))
    except (OSError, UnicodeDecodeError):
        found = None
    return default if found is None else found
