"""containerd.services.introspection.v1.Introspection"""

from typing import Any

from boxship.api import introspection_pb2 as pb
from boxship.core import introspection
from boxship.rpc import calls, methods
from boxship.wire import introspection as wire
from boxship.wire import typed


class IntrospectionService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Introspection"]

    def __init__(self, introspector: introspection.Introspector) -> None:
        self._introspector = introspector

    @methods.quick
    def Plugins(self, request: pb.PluginsRequest, call: calls.Call) -> pb.PluginsResponse:
        found = self._introspector.plugins(request.filters)
        return pb.PluginsResponse(plugins=[wire.message(plugin) for plugin in found])

    @methods.quick
    def Server(self, request: Any, call: calls.Call) -> pb.ServerResponse:
        return wire.server_message(self._introspector.server())

    def PluginInfo(self, request: pb.PluginInfoRequest, call: calls.Call) -> pb.PluginInfoResponse:
        plugin, extra = self._introspector.plugin_info(request.type, request.id, typed.value(request, "options"))
        return pb.PluginInfoResponse(plugin=wire.message(plugin), extra=typed.message(extra))
