"""io.containerd.snapshotter.v1.native"""

from pathlib import Path

from boxship.core import kinds, snapshots
from boxship.plugins.snapshots import native
from boxship.terms import platforms
from boxship.wiring import parts


def _make(config: native.Config, needs: parts.Needs) -> snapshots.Snapshotter:
    folder = Path(config.root_path or needs.one(kinds.PLACES).folder(kinds.SNAPSHOTTER, "native"))
    needs.tell(parts.About(exports={"root": str(folder)}, platforms=(str(platforms.default()),)))
    return native.NativeSnapshotter(folder, config)


REGISTRATION = parts.Registration(
    kind=kinds.SNAPSHOTTER, name="native", requires=(kinds.PLACES,), config=native.Config, make=_make
)
