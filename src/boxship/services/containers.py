"""containerd.services.containers.v1.Containers"""

from collections.abc import Iterator

from boxship.api import containers_pb2 as pb
from boxship.api import empty_pb2
from boxship.core import book
from boxship.rpc import calls, methods
from boxship.terms import errors
from boxship.wire import bound, masks
from boxship.wire import containers as wire


class ContainersService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Containers"]

    def __init__(self, books: book.Books) -> None:
        self._books = books

    @methods.quick
    def Get(self, request: pb.GetContainerRequest, call: calls.Call) -> pb.GetContainerResponse:
        found = bound.to_book(self._books, call).containers.get(request.id)
        return pb.GetContainerResponse(container=wire.message(found))

    @methods.quick
    def List(self, request: pb.ListContainersRequest, call: calls.Call) -> pb.ListContainersResponse:
        found = bound.to_book(self._books, call).containers.list(request.filters)
        return pb.ListContainersResponse(containers=[wire.message(container) for container in found])

    def ListStream(self, request: pb.ListContainersRequest, call: calls.Call) -> Iterator[pb.ListContainerMessage]:
        for container in bound.to_book(self._books, call).containers.list(request.filters):
            yield pb.ListContainerMessage(container=wire.message(container))

    def Create(self, request: pb.CreateContainerRequest, call: calls.Call) -> pb.CreateContainerResponse:
        made = bound.to_book(self._books, call).containers.create(wire.value(request.container))
        return pb.CreateContainerResponse(container=wire.message(made))

    def Update(self, request: pb.UpdateContainerRequest, call: calls.Call) -> pb.UpdateContainerResponse:
        if not request.container.id:
            raise errors.InvalidArgument("Container.ID required")
        updated = bound.to_book(self._books, call).containers.update(
            wire.value(request.container), masks.paths(request.update_mask)
        )
        return pb.UpdateContainerResponse(container=wire.message(updated))

    def Delete(self, request: pb.DeleteContainerRequest, call: calls.Call) -> empty_pb2.Empty:
        bound.to_book(self._books, call).containers.delete(request.id)
        return empty_pb2.Empty()
