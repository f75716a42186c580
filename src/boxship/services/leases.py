"""containerd.services.leases.v1.Leases"""

from boxship.api import empty_pb2
from boxship.api import leases_pb2 as pb
from boxship.core import book
from boxship.rpc import calls, methods
from boxship.wire import bound
from boxship.wire import leases as wire


class LeasesService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Leases"]

    def __init__(self, books: book.Books) -> None:
        self._books = books

    def Create(self, request: pb.CreateRequest, call: calls.Call) -> pb.CreateResponse:
        made = bound.to_book(self._books, call).leases.create(request.id, dict(request.labels))
        return pb.CreateResponse(lease=wire.message(made))

    def Delete(self, request: pb.DeleteRequest, call: calls.Call) -> empty_pb2.Empty:
        bound.to_book(self._books, call).leases.delete(request.id, synchronous=request.sync)
        return empty_pb2.Empty()

    @methods.quick
    def List(self, request: pb.ListRequest, call: calls.Call) -> pb.ListResponse:
        found = bound.to_book(self._books, call).leases.list(request.filters)
        return pb.ListResponse(leases=[wire.message(lease) for lease in found])

    def AddResource(self, request: pb.AddResourceRequest, call: calls.Call) -> empty_pb2.Empty:
        bound.to_book(self._books, call).leases.add_resource(request.id, wire.resource(request.resource))
        return empty_pb2.Empty()

    def DeleteResource(self, request: pb.DeleteResourceRequest, call: calls.Call) -> empty_pb2.Empty:
        bound.to_book(self._books, call).leases.delete_resource(request.id, wire.resource(request.resource))
        return empty_pb2.Empty()

    @methods.quick
    def ListResources(self, request: pb.ListResourcesRequest, call: calls.Call) -> pb.ListResourcesResponse:
        found = bound.to_book(self._books, call).leases.list_resources(request.id)
        return pb.ListResourcesResponse(resources=[wire.resource_message(each) for each in found])
