"""Snapshotters behind the book."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from boxship.core import snapshots
from boxship.plugins.snapshots import overlayfs
from boxship.testing.metadata import open_database
from boxship.testing.snapshots import SnapshotterSuite


@pytest.mark.root
class TestNativeBehindTheBook(SnapshotterSuite):
    @pytest.fixture
    def snapshotter(self, tmp_path: Path) -> Iterator[snapshots.Snapshotter]:
        with open_database(tmp_path) as database:
            yield database.namespace("testing").snapshotters["native"]


@pytest.mark.root
class TestOverlayBehindTheBook(SnapshotterSuite):
    @pytest.fixture
    def snapshotter(self, tmp_path: Path) -> Iterator[snapshots.Snapshotter]:
        below = overlayfs.OverlaySnapshotter(tmp_path / "overlayfs")
        with open_database(tmp_path, further={"overlayfs": below}) as database:
            yield database.namespace("testing").snapshotters["overlayfs"]
