"""containerd.services.namespaces.v1.Namespaces"""

from collections.abc import AsyncIterator, Iterable

from boxship.api import namespaces_pb2 as pb
from boxship.core import namespaces
from boxship.proxies import async_callers
from boxship.terms.labels import Labels
from boxship.wire import masks, methods
from boxship.wire import namespaces as wire

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Namespaces"])


class NamespacesProxy:
    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        # Needless for what is asked here, but servers before 2.0 want one to tell of a change.
        self._caller = caller if caller.namespace else caller.bind(namespaces.DEFAULT)

    async def create(self, name: str, labels: Labels) -> namespaces.Info:
        request = pb.CreateNamespaceRequest(namespace=pb.Namespace(name=name, labels=labels))
        return wire.value((await self._caller.call(_METHODS["Create"], request)).namespace)

    async def get(self, name: str) -> namespaces.Info:
        answer = await self._caller.call(_METHODS["Get"], pb.GetNamespaceRequest(name=name))
        return wire.value(answer.namespace)

    async def update(self, info: namespaces.Info, paths: Iterable[str] | None = None) -> namespaces.Info:
        request = pb.UpdateNamespaceRequest(namespace=wire.message(info), update_mask=masks.message(paths))
        return wire.value((await self._caller.call(_METHODS["Update"], request)).namespace)

    async def delete(self, name: str) -> None:
        await self._caller.call(_METHODS["Delete"], pb.DeleteNamespaceRequest(name=name))

    async def walk(self) -> AsyncIterator[namespaces.Info]:
        answer = await self._caller.call(_METHODS["List"], pb.ListNamespacesRequest())
        for each in sorted(answer.namespaces, key=lambda namespace: namespace.name):
            yield wire.value(each)
