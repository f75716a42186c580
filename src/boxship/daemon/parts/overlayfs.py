"""io.containerd.snapshotter.v1.overlayfs"""

import logging
from pathlib import Path

from boxship.core import kinds, snapshots
from boxship.plugins.snapshots import overlayfs
from boxship.terms import errors, platforms
from boxship.wiring import parts

_log = logging.getLogger(__name__)


def _make(config: overlayfs.Config, needs: parts.Needs) -> snapshots.Snapshotter:
    folder = Path(config.root_path or needs.one(kinds.PLACES).folder(kinds.SNAPSHOTTER, "overlayfs"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        overlayfs.supported(folder)
    except errors.NotImplemented as exc:
        raise parts.Skip(exc.message) from exc
    if config.slow_chown:
        _log.warning(
            "slow_chown of overlayfs is not supported: files keep their owners, and the kernel maps ids at a mount"
        )
    needs.tell(
        parts.About(
            exports={"root": str(folder)},
            capabilities=("rebase",),
            platforms=(str(platforms.default()),),
        )
    )
    return overlayfs.OverlaySnapshotter(folder, config)


REGISTRATION = parts.Registration(
    kind=kinds.SNAPSHOTTER, name="overlayfs", requires=(kinds.PLACES,), config=overlayfs.Config, make=_make
)
