"""Whole copies: `snapshots/<number>` holds everything. Works on any file system, costs what it copies."""

import os
from dataclasses import dataclass
from pathlib import Path

from boxship.core import snapshots
from boxship.core.mounts import Mount  # by name: a method here is called `mounts`
from boxship.plugins.snapshots import copying, folders, records


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`[plugins."io.containerd.snapshotter.v1.native"]`.

    Attributes:
        root_path: where snapshots lie instead of below the daemon's root.
        sync_commit: have a committed snapshot's files on the disk before it is said to exist.
    """

    root_path: str = ""
    sync_commit: bool = True


class NativeSnapshotter(folders.FolderSnapshotter):
    """See the module. Removal frees the disk at once, as in containerd."""

    def __init__(self, root: Path, config: Config | None = None) -> None:
        config = config or Config()
        super().__init__(Path(config.root_path or root), synchronous_removal=True, sync=config.sync_commit)

    def _fill(self, folder: str, record: records.Record) -> None:
        os.chmod(folder, 0o755)
        if record.parents and record.info.kind is snapshots.Kind.ACTIVE:
            copying.Copier(self._data(record.parents[0]), folder).run()

    def _mounts(self, record: records.Record) -> list[Mount]:
        if record.info.kind is snapshots.Kind.VIEW:
            number = record.parents[0] if record.parents else record.id
            return [Mount(type="bind", source=self._data(number), options=("rbind", "ro"))]
        return [Mount(type="bind", source=self._data(record.id), options=("rbind", "rw"))]


_: type[snapshots.Snapshotter] = NativeSnapshotter
__: type[snapshots.Cleaner] = NativeSnapshotter
