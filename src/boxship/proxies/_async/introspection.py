"""containerd.services.introspection.v1.Introspection"""

from collections.abc import Sequence

from boxship.api import empty_pb2
from boxship.api import introspection_pb2 as pb
from boxship.core import introspection
from boxship.proxies import async_callers
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import introspection as wire
from boxship.wire import methods, typed

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Introspection"])


class IntrospectionProxy:
    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def plugins(self, filters: Sequence[str] = ()) -> list[introspection.Plugin]:
        answer = await self._caller.call(_METHODS["Plugins"], pb.PluginsRequest(filters=filters))
        return [wire.value(each) for each in answer.plugins]

    async def plugin_info(
        self, type: str, id: str, options: TypedBytes | None = None
    ) -> tuple[introspection.Plugin, TypedBytes | None]:
        """What a server older than 2.0 says has no extra part."""
        request = pb.PluginInfoRequest(type=type, id=id, options=typed.message(options))
        try:
            answer = await self._caller.call(_METHODS["PluginInfo"], request)
        except errors.NotImplemented:
            return await self._listed(type, id), None
        return wire.value(answer.plugin), typed.value(answer, "extra")

    async def server(self) -> introspection.Server:
        return wire.server(await self._caller.call(_METHODS["Server"], empty_pb2.Empty()))

    async def _listed(self, type: str, id: str) -> introspection.Plugin:
        for plugin in await self.plugins([f'type=="{type}",id=="{id}"']):
            return plugin
        raise errors.NotFound(f"plugin {type}.{id}")
