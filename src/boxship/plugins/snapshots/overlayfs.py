"""Folders stacked by the kernel's overlay: `snapshots/<number>/{fs,work}`, each `fs` holding only what differs.

Mounts are those of containerd 2: a bind mount where one folder says all, else an overlay with its lower folders newest
first. They depend on nothing but the records, so asking twice gives the same answer.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boxship.core import snapshots
from boxship.core.mounts import Mount  # by name: a method here is called `mounts`
from boxship.linux import mounts as kernel
from boxship.linux import trees
from boxship.plugins.snapshots import folders, records
from boxship.terms import errors

_UPPERDIR_LABEL = "containerd.io/snapshot/overlay.upperdir"
_UID_MAPPING = "containerd.io/snapshot/uidmapping"
_GID_MAPPING = "containerd.io/snapshot/gidmapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`[plugins."io.containerd.snapshotter.v1.overlayfs"]`; the names are containerd's.

    Attributes:
        root_path: where snapshots lie instead of below the daemon's root.
        upperdir_label: tell where a snapshot's own files are in the label containerd.io/snapshot/overlay.upperdir.
        sync_remove: free the disk before a removal returns, instead of at the next garbage collection.
        slow_chown: read, and without effect; ids are mapped by the kernel.
        mount_options: more options for overlay mounts.
        sync_commit: have a committed snapshot's files on the disk before it is said to exist.
    """

    root_path: str = ""
    upperdir_label: bool = False
    sync_remove: bool = False
    slow_chown: bool = False
    mount_options: tuple[str, ...] = ()
    sync_commit: bool = True


class OverlaySnapshotter(folders.FolderSnapshotter):
    """See the module. `mount_options` are all that overlay mounts get beside their folders, probed ones included."""

    def __init__(self, root: Path, config: Config | None = None, *, remap_ids: bool = False) -> None:
        """Args:

        remap_ids: pass id mappings of the snapshot's labels on as mount options (Linux 5.19).
        """
        config = config or Config()
        super().__init__(
            Path(config.root_path or root), synchronous_removal=config.sync_remove, sync=config.sync_commit
        )
        self._upperdir_label = config.upperdir_label
        self._remap_ids = remap_ids
        self.mount_options = _with_probed(tuple(config.mount_options), str(self._root))

    def _fill(self, folder: str, record: records.Record) -> None:
        upper = f"{folder}/fs"
        os.mkdir(upper, 0o755)
        os.chmod(upper, 0o755)  # whatever the umask
        if record.info.kind is snapshots.Kind.ACTIVE:
            os.mkdir(f"{folder}/work", 0o711)
        owner = _mapped_root(record.info)
        if owner is None and record.parents:
            found = os.stat(self._data(record.parents[0]))
            owner = (found.st_uid, found.st_gid)
        if owner is not None:
            os.chown(upper, *owner)

    def _data(self, number: int) -> str:
        return f"{self._place}/{number}/fs"

    def _shown(self, record: records.Record) -> snapshots.Info:
        if not self._upperdir_label:
            return record.info
        info = record.info
        return snapshots.Info(
            name=info.name,
            kind=info.kind,
            parent=info.parent,
            labels={**info.labels, _UPPERDIR_LABEL: self._data(record.id)},
            created_at=info.created_at,
            updated_at=info.updated_at,
        )

    def _mounts(self, record: records.Record) -> list[Mount]:
        options: list[str] = []
        if self._remap_ids:
            options += [f"uidmap={value}"] if (value := record.info.labels.get(_UID_MAPPING)) else []
            options += [f"gidmap={value}"] if (value := record.info.labels.get(_GID_MAPPING)) else []
        writable = record.info.kind is snapshots.Kind.ACTIVE
        if not record.parents:
            return [self._bind(record.id, [*options, "rw" if writable else "ro"])]
        if not writable and len(record.parents) == 1:
            return [self._bind(record.parents[0], [*options, "ro"])]
        if writable:
            options += [f"workdir={self._place}/{record.id}/work", f"upperdir={self._data(record.id)}"]
        options.append("lowerdir=" + ":".join(map(self._data, record.parents)))
        return [Mount(type="overlay", source="overlay", options=(*options, *self.mount_options))]

    def _bind(self, number: int, options: Sequence[str]) -> Mount:
        return Mount(type="bind", source=self._data(number), options=(*options, "rbind"))


def _mapped_root(info: snapshots.Info) -> tuple[int, int] | None:
    """Who root is outside, by the labels `container:host:size[,…]`; None without labels."""
    texts = [info.labels.get(_UID_MAPPING, ""), info.labels.get(_GID_MAPPING, "")]
    if not any(texts):
        return None
    found = [host for text in texts if (host := _host_of_root(text)) is not None]
    if len(found) != len(texts):
        raise errors.InvalidArgument(f"id mappings {texts[0][:80]!r} and {texts[1][:80]!r} do not say who root is")
    return found[0], found[1]


def _host_of_root(text: str) -> int | None:
    for line in text.split(","):
        numbers = line.split(":")
        if len(numbers) == 3 and all(part.isascii() and part.isdecimal() and len(part) <= 10 for part in numbers):
            container, host, size = map(int, numbers)
            if container == 0 and size > 0:
                return host
    return None


def _with_probed(options: tuple[str, ...], root: str) -> tuple[str, ...]:
    """`options`, and what this kernel needs: the last one wins there, so nothing that is set is set again."""
    names = {option.partition("=")[0] for option in options}
    if "userxattr" not in names and _needs_user_xattr(root):
        options = (*options, "userxattr")
    if "index" not in names and os.path.exists("/sys/module/overlay/parameters/index"):
        options = (*options, "index=off")
    return options


def _needs_user_xattr(root: str) -> bool:
    """Overlay below a user namespace keeps its marks in user.* (Linux 5.11), where the file system has them."""
    try:
        with open("/proc/self/uid_map", "rb") as file:
            whole = file.read(4096).split() == [b"0", b"0", b"4294967295"]
    except OSError:
        return False
    return not whole and not _is_tmpfs(root)


def _is_tmpfs(root: str) -> bool:
    """A tmpfs keeps no user.* attributes."""
    device = os.stat(root).st_dev
    place = (os.major(device), os.minor(device))
    return any(item.type == "tmpfs" for item in kernel.mountinfo() if (item.major, item.minor) == place)


def supported(root: Path) -> None:
    """Mount a small overlay below `root`, to see that it works there.

    Raises:
        NotImplemented: it does not; the message says why.
    """
    work = f"{root}/check-overlay-{os.urandom(8).hex()}"
    os.mkdir(work, 0o700)
    try:
        for name in ("lower1", "lower2", "upper", "work", "merged"):
            os.mkdir(f"{work}/{name}")
        options = (f"lowerdir={work}/lower2:{work}/lower1", f"upperdir={work}/upper", f"workdir={work}/work")
        try:
            kernel.mount_at(kernel.Mount(type="overlay", source="overlay", options=options), f"{work}/merged")
        except OSError as exc:
            raise errors.NotImplemented(f"overlay cannot be mounted below {root}: {exc.strerror}") from exc
        with contextlib.suppress(OSError):
            kernel.umount_all(f"{work}/merged")
    finally:
        trees.remove_at(work)


_: type[snapshots.Snapshotter] = OverlaySnapshotter
__: type[snapshots.Cleaner] = OverlaySnapshotter
