"""containerd.services.snapshots.v1.Snapshots"""

from collections.abc import Iterator
from typing import Any

from boxship.api import empty_pb2
from boxship.api import snapshots_pb2 as pb
from boxship.core import book, snapshots
from boxship.rpc import calls, methods
from boxship.terms import errors
from boxship.wire import bound, masks, mounts
from boxship.wire import snapshots as wire

_BATCH = 100


class SnapshotsService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Snapshots"]

    def __init__(self, books: book.Books) -> None:
        self._books = books

    def Prepare(self, request: pb.PrepareSnapshotRequest, call: calls.Call) -> pb.PrepareSnapshotResponse:
        made = self._snapshotter(request, call).prepare(request.key, request.parent, labels=dict(request.labels))
        return pb.PrepareSnapshotResponse(mounts=mounts.messages(made))

    def View(self, request: pb.ViewSnapshotRequest, call: calls.Call) -> pb.ViewSnapshotResponse:
        made = self._snapshotter(request, call).view(request.key, request.parent, labels=dict(request.labels))
        return pb.ViewSnapshotResponse(mounts=mounts.messages(made))

    @methods.quick
    def Mounts(self, request: pb.MountsRequest, call: calls.Call) -> pb.MountsResponse:
        return pb.MountsResponse(mounts=mounts.messages(self._snapshotter(request, call).mounts(request.key)))

    def Commit(self, request: pb.CommitSnapshotRequest, call: calls.Call) -> empty_pb2.Empty:
        self._snapshotter(request, call).commit(
            request.name, request.key, parent=request.parent, labels=dict(request.labels)
        )
        return empty_pb2.Empty()

    def Remove(self, request: pb.RemoveSnapshotRequest, call: calls.Call) -> empty_pb2.Empty:
        self._snapshotter(request, call).remove(request.key)
        return empty_pb2.Empty()

    @methods.quick
    def Stat(self, request: pb.StatSnapshotRequest, call: calls.Call) -> pb.StatSnapshotResponse:
        return pb.StatSnapshotResponse(info=wire.message(self._snapshotter(request, call).stat(request.key)))

    def Update(self, request: pb.UpdateSnapshotRequest, call: calls.Call) -> pb.UpdateSnapshotResponse:
        updated = self._snapshotter(request, call).update(wire.value(request.info), masks.paths(request.update_mask))
        return pb.UpdateSnapshotResponse(info=wire.message(updated))

    def List(self, request: pb.ListSnapshotsRequest, call: calls.Call) -> Iterator[pb.ListSnapshotsResponse]:
        batch = pb.ListSnapshotsResponse()
        for info in self._snapshotter(request, call).walk(request.filters):
            batch.info.append(wire.message(info))
            if len(batch.info) == _BATCH:
                yield batch
                batch = pb.ListSnapshotsResponse()
        if batch.info:
            yield batch

    def Usage(self, request: pb.UsageRequest, call: calls.Call) -> pb.UsageResponse:
        return wire.usage_message(self._snapshotter(request, call).usage(request.key))

    def Cleanup(self, request: pb.CleanupRequest, call: calls.Call) -> empty_pb2.Empty:
        snapshotter: Any = self._snapshotter(request, call)
        if not hasattr(snapshotter, "cleanup"):
            raise errors.NotImplemented("snapshotter does not implement Cleanup method")
        snapshotter.cleanup()
        return empty_pb2.Empty()

    def _snapshotter(self, request: Any, call: calls.Call) -> snapshots.Snapshotter:
        book = bound.to_book(self._books, call)
        if not request.snapshotter:
            raise errors.InvalidArgument("snapshotter argument missing")
        found = book.snapshotters.get(request.snapshotter)
        if found is None:
            raise errors.InvalidArgument(f"snapshotter not loaded: {request.snapshotter}")
        return found
