"""A book over real backends in a folder, and a publisher that remembers."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from boxship.core import events, snapshots
from boxship.metadata import database
from boxship.plugins.content import store
from boxship.plugins.snapshots import native
from boxship.terms.typed import TypedBytes


class Remembering:
    """A publisher that keeps what it is told, as (namespace, topic, fields)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []

    def publish(self, namespace: str, topic: str, event: events.Event | TypedBytes) -> None:
        assert isinstance(event, events.Event)
        self.told.append((namespace, topic, dict(event.fields)))

    def topics(self) -> list[str]:
        return [topic for _, topic, _ in self.told]


@contextlib.contextmanager
def open_database(
    root: Path,
    *,
    publisher: events.Publisher | None = None,
    clock: Callable[[], int] = time.time_ns,
    policy: database.Policy = "shared",
    further: Mapping[str, snapshots.Snapshotter] | None = None,
) -> Iterator[database.Database]:
    """A database in `root` with the local content store, the native snapshotter and further ones; closed at the end."""
    snapshotters: dict[str, snapshots.Snapshotter] = {
        "native": native.NativeSnapshotter(root / "native"),
        **(further or {}),
    }
    opened = database.Database(
        root / "meta.db",
        content=store.LocalStore(root / "content"),
        snapshotters=snapshotters,
        publisher=publisher or Remembering(),
        clock=clock,
        policy=policy,
    )
    try:
        yield opened
    finally:
        opened.close()
        for snapshotter in snapshotters.values():
            snapshotter.close()


_: type[events.Publisher] = Remembering
