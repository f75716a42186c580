"""containerd.services.diff.v1.Diff"""

from collections.abc import Callable

from boxship.api import diff_pb2 as pb
from boxship.core import book, content, diff
from boxship.rpc import calls
from boxship.wire import bound, mounts, oci, times, typed


class DiffService:
    """`differ` makes what applies and compares layers of one content store."""

    SERVICE = pb.DESCRIPTOR.services_by_name["Diff"]

    def __init__(self, books: book.Books, differ: Callable[[content.Store], diff.Service]) -> None:
        self._books = books
        self._differ = differ

    def Apply(self, request: pb.ApplyRequest, call: calls.Call) -> pb.ApplyResponse:
        applied = self._differ(bound.to_book(self._books, call).content).apply(
            oci.value(request.diff),
            mounts.values(request.mounts),
            payloads={name: typed.typed(each) for name, each in request.payloads.items()},
            sync_fs=request.sync_fs,
        )
        return pb.ApplyResponse(applied=oci.message(applied))

    def Diff(self, request: pb.DiffRequest, call: calls.Call) -> pb.DiffResponse:
        made = self._differ(bound.to_book(self._books, call).content).compare(
            mounts.values(request.left),
            mounts.values(request.right),
            media_type=request.media_type,
            ref=request.ref,
            labels=dict(request.labels),
            source_date_epoch=times.value(request, "source_date_epoch"),
        )
        return pb.DiffResponse(diff=oci.message(made))
