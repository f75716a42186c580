"""containerd.services.leases.v1.Leases"""

import os
from collections.abc import Sequence

from boxship.api import leases_pb2 as pb
from boxship.core import leases
from boxship.proxies import async_callers
from boxship.terms.labels import Labels
from boxship.wire import leases as wire
from boxship.wire import methods

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Leases"])


class LeasesProxy:
    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def create(self, id: str = "", labels: Labels | None = None) -> leases.Lease:
        # An older containerd does not make up ids.
        request = pb.CreateRequest(id=id or os.urandom(16).hex(), labels=labels or {})
        return wire.value((await self._caller.call(_METHODS["Create"], request)).lease)

    async def delete(self, id: str, *, synchronous: bool = False) -> None:
        await self._caller.call(_METHODS["Delete"], pb.DeleteRequest(id=id, sync=synchronous))

    async def list(self, filters: Sequence[str] = ()) -> Sequence[leases.Lease]:
        answer = await self._caller.call(_METHODS["List"], pb.ListRequest(filters=filters))
        return [wire.value(each) for each in answer.leases]

    async def add_resource(self, id: str, resource: leases.Resource) -> None:
        request = pb.AddResourceRequest(id=id, resource=wire.resource_message(resource))
        await self._caller.call(_METHODS["AddResource"], request)

    async def delete_resource(self, id: str, resource: leases.Resource) -> None:
        request = pb.DeleteResourceRequest(id=id, resource=wire.resource_message(resource))
        await self._caller.call(_METHODS["DeleteResource"], request)

    async def list_resources(self, id: str) -> Sequence[leases.Resource]:
        answer = await self._caller.call(_METHODS["ListResources"], pb.ListResourcesRequest(id=id))
        return [wire.resource(each) for each in answer.resources]
