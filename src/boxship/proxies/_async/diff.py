"""containerd.services.diff.v1.Diff"""

from collections.abc import Mapping, Sequence

from boxship.api import diff_pb2 as pb
from boxship.core.mounts import Mount
from boxship.proxies import async_callers
from boxship.terms.labels import Labels
from boxship.terms.oci import Descriptor
from boxship.terms.typed import TypedBytes
from boxship.wire import methods, mounts, oci, times, typed

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Diff"])


class DiffProxy:
    """Layers, applied and compared by the daemon."""

    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def apply(
        self,
        descriptor: Descriptor,
        targets: Sequence[Mount],
        *,
        payloads: Mapping[str, TypedBytes] | None = None,
        sync_fs: bool = False,
    ) -> Descriptor:
        request = pb.ApplyRequest(
            diff=oci.message(descriptor),
            mounts=mounts.messages(targets),
            payloads={name: typed.any_of(each) for name, each in (payloads or {}).items()},
            sync_fs=sync_fs,
        )
        return oci.value((await self._caller.call(_METHODS["Apply"], request)).applied)

    async def compare(
        self,
        lower: Sequence[Mount],
        upper: Sequence[Mount],
        *,
        media_type: str = "",
        ref: str = "",
        labels: Labels | None = None,
        source_date_epoch: int | None = None,
    ) -> Descriptor:
        request = pb.DiffRequest(
            left=mounts.messages(lower),
            right=mounts.messages(upper),
            media_type=media_type,
            ref=ref,
            labels=labels or {},
            source_date_epoch=times.message(source_date_epoch),
        )
        return oci.value((await self._caller.call(_METHODS["Diff"], request)).diff)
