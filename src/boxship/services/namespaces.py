"""containerd.services.namespaces.v1.Namespaces"""

from boxship.api import empty_pb2
from boxship.api import namespaces_pb2 as pb
from boxship.core import namespaces
from boxship.rpc import calls, methods
from boxship.wire import masks
from boxship.wire import namespaces as wire


class NamespacesService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Namespaces"]

    def __init__(self, store: namespaces.Store) -> None:
        self._store = store

    @methods.quick
    def Get(self, request: pb.GetNamespaceRequest, call: calls.Call) -> pb.GetNamespaceResponse:
        return pb.GetNamespaceResponse(namespace=wire.message(self._store.get(request.name)))

    @methods.quick
    def List(self, request: pb.ListNamespacesRequest, call: calls.Call) -> pb.ListNamespacesResponse:
        return pb.ListNamespacesResponse(namespaces=[wire.message(info) for info in self._store.walk()])

    def Create(self, request: pb.CreateNamespaceRequest, call: calls.Call) -> pb.CreateNamespaceResponse:
        made = self._store.create(request.namespace.name, dict(request.namespace.labels))
        return pb.CreateNamespaceResponse(namespace=wire.message(made))

    def Update(self, request: pb.UpdateNamespaceRequest, call: calls.Call) -> pb.UpdateNamespaceResponse:
        updated = self._store.update(wire.value(request.namespace), masks.paths(request.update_mask))
        return pb.UpdateNamespaceResponse(namespace=wire.message(updated))

    def Delete(self, request: pb.DeleteNamespaceRequest, call: calls.Call) -> empty_pb2.Empty:
        self._store.delete(request.name)
        return empty_pb2.Empty()
