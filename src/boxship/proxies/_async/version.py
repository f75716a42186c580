"""containerd.services.version.v1.Version"""

from boxship.api import empty_pb2
from boxship.api import version_pb2 as pb
from boxship.core import introspection
from boxship.proxies import async_callers
from boxship.wire import methods

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Version"])


class VersionProxy:
    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def version(self) -> introspection.Version:
        answer = await self._caller.call(_METHODS["Version"], empty_pb2.Empty())
        return introspection.Version(version=answer.version, revision=answer.revision)
