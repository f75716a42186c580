"""containerd.services.images.v1.Images"""

from collections.abc import Iterable, Sequence

from boxship.api import images_pb2 as pb
from boxship.api import types_pb2
from boxship.core import images
from boxship.proxies import async_callers
from boxship.wire import images as wire
from boxship.wire import masks, methods, times

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Images"])


class ImagesProxy:
    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def get(self, name: str) -> images.Image:
        return wire.value((await self._caller.call(_METHODS["Get"], pb.GetImageRequest(name=name))).image)

    async def list(self, filters: Sequence[str] = ()) -> Sequence[images.Image]:
        answer = await self._caller.call(_METHODS["List"], pb.ListImagesRequest(filters=filters))
        return [wire.value(each) for each in answer.images]

    async def create(self, image: images.Image, *, created_at: int | None = None) -> images.Image:
        request = pb.CreateImageRequest(image=wire.message(image), source_date_epoch=times.message(created_at))
        return wire.value((await self._caller.call(_METHODS["Create"], request)).image)

    async def update(
        self, image: images.Image, paths: Iterable[str] | None = None, *, updated_at: int | None = None
    ) -> images.Image:
        request = pb.UpdateImageRequest(
            image=wire.message(image), update_mask=masks.message(paths), source_date_epoch=times.message(updated_at)
        )
        return wire.value((await self._caller.call(_METHODS["Update"], request)).image)

    async def delete(self, name: str, *, target: str = "", synchronous: bool = False) -> None:
        request = pb.DeleteImageRequest(
            name=name, sync=synchronous, target=types_pb2.Descriptor(digest=target) if target else None
        )
        await self._caller.call(_METHODS["Delete"], request)
