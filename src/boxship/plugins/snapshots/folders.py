"""What snapshotters that keep folders have in common: one numbered folder per snapshot, beside their records."""

import abc
import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from boxship.core import snapshots
from boxship.core.mounts import Mount  # by name: a method here is called `mounts`
from boxship.linux import files
from boxship.plugins.snapshots import faults, records, trees
from boxship.terms import errors, filters, labels
from boxship.terms.labels import Labels

_log = logging.getLogger(__name__)


class FolderSnapshotter(abc.ABC):
    """Guarantees the records, their errors, and that no folder is lost or left; the child fills folders and mounts.

    A folder gets its place before the transaction that names it ends, so a record without a folder cannot be seen;
    a folder without a record (a crash in between, a removal) belongs to `cleanup`.
    """

    def __init__(self, root: Path, *, synchronous_removal: bool, sync: bool) -> None:
        """Args:

        root: becomes 0700.
        synchronous_removal: `remove` frees the disk before it returns; else `cleanup` does.
        sync: `commit` waits until what was written into the snapshot is on the disk.
        """
        self._root = root
        self._place = f"{root}/snapshots"
        self._synchronous_removal = synchronous_removal
        self._sync = sync
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
        (root / "snapshots").mkdir(mode=0o700, exist_ok=True)
        self._records = records.Records(root / "snapshots.db")
        self._making: set[str] = set()
        self._closed = False

    @abc.abstractmethod
    def _fill(self, folder: str, record: records.Record) -> None:
        """Put into a fresh folder what a new snapshot begins with."""

    @abc.abstractmethod
    def _mounts(self, record: records.Record) -> list[Mount]:
        """How to mount an active snapshot or view."""

    def _data(self, number: int) -> str:
        """The folder whose contents are the snapshot's own."""
        return f"{self._place}/{number}"

    def _shown(self, record: records.Record) -> snapshots.Info:
        """What the world is told of a snapshot."""
        return record.info

    @property
    def root(self) -> Path:
        return self._root

    def stat(self, key: str) -> snapshots.Info:
        return self._shown(self._records.get(key))

    def update(self, info: snapshots.Info, paths: Iterable[str] | None = None) -> snapshots.Info:
        with self._records.writing():
            self._records.update(info, paths)
        return self.stat(info.name)

    def usage(self, key: str) -> snapshots.Usage:
        record = self._records.get(key)
        if record.info.kind is snapshots.Kind.ACTIVE:
            with faults.told(f'failed to measure snapshot "{key}"', self._root):
                return trees.usage(self._data(record.id))
        return record.usage

    def mounts(self, key: str) -> list[Mount]:
        record = self._records.get(key, chain=True)
        if record.info.kind is snapshots.Kind.COMMITTED:
            raise errors.FailedPrecondition(f"failed to get active mount: requested snapshot {key} not active or view")
        return self._mounts(record)

    def prepare(self, key: str, parent: str = "", *, labels: Labels | None = None) -> list[Mount]:
        return self._create(snapshots.Kind.ACTIVE, key, parent, labels)

    def view(self, key: str, parent: str = "", *, labels: Labels | None = None) -> list[Mount]:
        return self._create(snapshots.Kind.VIEW, key, parent, labels)

    def commit(self, name: str, key: str, *, parent: str = "", labels: Labels | None = None) -> None:
        record = self._records.get(key)
        if record.info.kind is snapshots.Kind.ACTIVE:
            folder = self._data(record.id)
            with faults.told(f"failed to commit snapshot {key}", self._root):
                if self._sync:
                    _sync_file_system(folder)
                used = trees.usage(folder)
        else:
            used = record.usage  # refused below
        with self._records.writing():
            self._records.commit(name, key, parent=parent, usage=used, given=labels or {})

    def remove(self, key: str) -> None:
        with self._records.writing():
            number = self._records.remove(key)
        if self._synchronous_removal:
            self._discard([str(number)])

    def walk(self, wanted: Sequence[str] = ()) -> Iterator[snapshots.Info]:
        chosen = filters.parse_all(wanted)
        for record in self._records.all():
            info = self._shown(record)
            if chosen.matches(_fields(info)):
                yield info

    def cleanup(self) -> None:
        """Free what no snapshot owns."""
        self._discard(self._orphans(lambda _: True))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._records.close()

    def _create(self, kind: snapshots.Kind, key: str, parent: str, given: Labels | None) -> list[Mount]:
        draft = self._records.draft(kind, key, parent, labels.checked(given or {}))
        name = f"new-{os.urandom(8).hex()}"
        self._making.add(name)  # cleanup passes over it
        number = ""
        try:
            with faults.told(f'failed to create snapshot "{key}"', self._root):
                folder = f"{self._place}/{name}"
                os.mkdir(folder, 0o700)
                self._fill(folder, draft)  # may take long, so nobody waits for it
                with self._records.writing():
                    record = self._records.create(draft)
                    number = str(record.id)
                    self._settle(folder, number)
        except BaseException:
            self._discard([name])
            if number:
                with contextlib.suppress(errors.Error, OSError):  # then a cleanup finds it
                    self._discard(self._orphans(lambda left: left == number))
            raise
        finally:
            self._making.discard(name)
        return self._mounts(record)

    def _orphans(self, wanted: Callable[[str], bool]) -> list[str]:
        """Folders that no snapshot owns, put aside where they have a number: it may be given again from now on."""
        with self._records.writing():
            owned = {str(number) for number in self._records.ids()}
            found = os.listdir(self._place)  # before looking at what is being made: that leaves only in a transaction
            orphans = [name for name in found if wanted(name) and name not in owned and name not in self._making]
            return [self._put_aside(name) if name.isdecimal() else name for name in orphans]

    def _put_aside(self, name: str) -> str:
        aside = f"rm-{os.urandom(8).hex()}"
        with contextlib.suppress(FileNotFoundError):  # its removal has come to its end
            os.rename(f"{self._place}/{name}", f"{self._place}/{aside}")
        return aside

    def _settle(self, folder: str, name: str) -> None:
        target = f"{self._place}/{name}"
        if os.path.exists(target):
            # Left by a crash before its record was kept; the number is ours now.
            trees.remove(self._place, name)
        os.rename(folder, target)

    def _discard(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                trees.remove(self._place, name)
            except OSError:
                _log.warning("snapshot folder %s/%s cannot be removed yet", self._place, name, exc_info=True)


def _fields(info: snapshots.Info) -> filters.Field:
    """What filters may ask of a snapshot (containerd core/snapshots/storage)."""

    def ask(path: Sequence[str]) -> str | None:
        match list(path):
            case ["kind"]:
                return info.kind.value.lower()
            case ["name"]:
                return info.name or None
            case ["parent"]:
                return info.parent or None
            case ["labels", *key]:
                return info.labels.get(".".join(key))
        return None

    return ask


def _sync_file_system(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        files.syncfs(descriptor)
    finally:
        os.close(descriptor)
