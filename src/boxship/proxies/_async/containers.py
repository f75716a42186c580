"""containerd.services.containers.v1.Containers"""

from collections.abc import Iterable, Sequence

from boxship.api import containers_pb2 as pb
from boxship.core import containers
from boxship.proxies import async_callers
from boxship.terms import errors
from boxship.wire import containers as wire
from boxship.wire import masks, methods

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Containers"])


class ContainersProxy:
    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def get(self, id: str) -> containers.Container:
        return wire.value((await self._caller.call(_METHODS["Get"], pb.GetContainerRequest(id=id))).container)

    async def list(self, filters: Sequence[str] = ()) -> Sequence[containers.Container]:
        """As a stream, so that no list is too long for a message; at once from a server that knows no stream."""
        request = pb.ListContainersRequest(filters=filters)
        try:
            async with await self._caller.stream(_METHODS["ListStream"], request) as answers:
                return [wire.value(each.container) async for each in answers]
        except errors.NotImplemented:
            answer = await self._caller.call(_METHODS["List"], request)
            return [wire.value(each) for each in answer.containers]

    async def create(self, container: containers.Container) -> containers.Container:
        request = pb.CreateContainerRequest(container=wire.message(container))
        return wire.value((await self._caller.call(_METHODS["Create"], request)).container)

    async def update(self, container: containers.Container, paths: Iterable[str] | None = None) -> containers.Container:
        request = pb.UpdateContainerRequest(container=wire.message(container), update_mask=masks.message(paths))
        return wire.value((await self._caller.call(_METHODS["Update"], request)).container)

    async def delete(self, id: str) -> None:
        await self._caller.call(_METHODS["Delete"], pb.DeleteContainerRequest(id=id))
