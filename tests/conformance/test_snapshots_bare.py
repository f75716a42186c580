import pytest

from boxship.plugins.snapshots import native, overlayfs
from boxship.testing import snapshots

pytestmark = pytest.mark.root


class TestOverlayfs(snapshots.SnapshotterSuite):
    @pytest.fixture
    def snapshotter(self, tmp_path):
        made = overlayfs.OverlaySnapshotter(tmp_path / "overlayfs")
        yield made
        made.close()


class TestNative(snapshots.SnapshotterSuite):
    @pytest.fixture
    def snapshotter(self, tmp_path):
        made = native.NativeSnapshotter(tmp_path / "native")
        yield made
        made.close()
