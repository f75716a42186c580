"""containerd.services.snapshots.v1.Snapshots"""

from collections.abc import AsyncIterator, Iterable, Sequence

from boxship.api import snapshots_pb2 as pb
from boxship.core import snapshots
from boxship.core.mounts import Mount
from boxship.proxies import async_callers
from boxship.terms.labels import Labels
from boxship.wire import masks, methods, mounts
from boxship.wire import snapshots as wire

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Snapshots"])


class SnapshotsProxy:
    """One snapshotter of the daemon, by its name."""

    def __init__(self, caller: async_callers.AsyncCaller, name: str) -> None:
        self._caller = caller
        self.name = name

    async def stat(self, key: str) -> snapshots.Info:
        request = pb.StatSnapshotRequest(snapshotter=self.name, key=key)
        return wire.value((await self._caller.call(_METHODS["Stat"], request)).info)

    async def update(self, info: snapshots.Info, paths: Iterable[str] | None = None) -> snapshots.Info:
        request = pb.UpdateSnapshotRequest(
            snapshotter=self.name, info=wire.message(info), update_mask=masks.message(paths)
        )
        return wire.value((await self._caller.call(_METHODS["Update"], request)).info)

    async def usage(self, key: str) -> snapshots.Usage:
        return wire.usage(await self._caller.call(_METHODS["Usage"], pb.UsageRequest(snapshotter=self.name, key=key)))

    async def mounts(self, key: str) -> list[Mount]:
        request = pb.MountsRequest(snapshotter=self.name, key=key)
        return mounts.values((await self._caller.call(_METHODS["Mounts"], request)).mounts)

    async def prepare(self, key: str, parent: str = "", *, labels: Labels | None = None) -> list[Mount]:
        request = pb.PrepareSnapshotRequest(snapshotter=self.name, key=key, parent=parent, labels=labels or {})
        return mounts.values((await self._caller.call(_METHODS["Prepare"], request)).mounts)

    async def view(self, key: str, parent: str = "", *, labels: Labels | None = None) -> list[Mount]:
        request = pb.ViewSnapshotRequest(snapshotter=self.name, key=key, parent=parent, labels=labels or {})
        return mounts.values((await self._caller.call(_METHODS["View"], request)).mounts)

    async def commit(self, name: str, key: str, *, parent: str = "", labels: Labels | None = None) -> None:
        request = pb.CommitSnapshotRequest(
            snapshotter=self.name, name=name, key=key, parent=parent, labels=labels or {}
        )
        await self._caller.call(_METHODS["Commit"], request)

    async def remove(self, key: str) -> None:
        await self._caller.call(_METHODS["Remove"], pb.RemoveSnapshotRequest(snapshotter=self.name, key=key))

    async def walk(self, filters: Sequence[str] = ()) -> AsyncIterator[snapshots.Info]:
        request = pb.ListSnapshotsRequest(snapshotter=self.name, filters=filters)
        async with await self._caller.stream(_METHODS["List"], request) as answers:
            async for answer in answers:
                for each in answer.info:
                    yield wire.value(each)

    async def cleanup(self) -> None:
        """Raises NotImplemented where the snapshotter cannot."""
        await self._caller.call(_METHODS["Cleanup"], pb.CleanupRequest(snapshotter=self.name))

    async def close(self) -> None:
        """The snapshotter is the daemon's: nothing ends here."""
