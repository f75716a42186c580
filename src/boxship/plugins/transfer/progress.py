"""What a transfer tells while it runs."""

import enum
from collections.abc import Callable
from dataclasses import dataclass


class State(enum.Enum):
    RESOLVING = "resolving"
    WAITING = "waiting"
    DOWNLOADING = "downloading"
    UPLOADING = "uploading"
    EXISTS = "exists"
    DONE = "done"
    UNPACKING = "unpacking"
    UNPACKED = "unpacked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One thing's state: `name` is a reference or a digest, `done` and `total` are bytes (0 when unknown)."""

    name: str
    state: State
    done: int = 0
    total: int = 0


Report = Callable[[Progress], None]
"""Called from several threads, one at a time per name; must return quickly."""


def silent(progress: Progress) -> None:
    """Tells nobody."""
