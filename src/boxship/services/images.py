"""containerd.services.images.v1.Images"""

from boxship.api import empty_pb2
from boxship.api import images_pb2 as pb
from boxship.core import book
from boxship.rpc import calls, methods
from boxship.terms import errors
from boxship.wire import bound, masks, times
from boxship.wire import images as wire


class ImagesService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Images"]

    def __init__(self, books: book.Books) -> None:
        self._books = books

    @methods.quick
    def Get(self, request: pb.GetImageRequest, call: calls.Call) -> pb.GetImageResponse:
        return pb.GetImageResponse(image=wire.message(bound.to_book(self._books, call).images.get(request.name)))

    @methods.quick
    def List(self, request: pb.ListImagesRequest, call: calls.Call) -> pb.ListImagesResponse:
        found = bound.to_book(self._books, call).images.list(request.filters)
        return pb.ListImagesResponse(images=[wire.message(image) for image in found])

    def Create(self, request: pb.CreateImageRequest, call: calls.Call) -> pb.CreateImageResponse:
        _check(request.image)
        made = bound.to_book(self._books, call).images.create(
            wire.value(request.image), created_at=times.value(request, "source_date_epoch")
        )
        return pb.CreateImageResponse(image=wire.message(made))

    def Update(self, request: pb.UpdateImageRequest, call: calls.Call) -> pb.UpdateImageResponse:
        _check(request.image)
        updated = bound.to_book(self._books, call).images.update(
            wire.value(request.image),
            masks.paths(request.update_mask),
            updated_at=times.value(request, "source_date_epoch"),
        )
        return pb.UpdateImageResponse(image=wire.message(updated))

    def Delete(self, request: pb.DeleteImageRequest, call: calls.Call) -> empty_pb2.Empty:
        bound.to_book(self._books, call).images.delete(
            request.name, target=request.target.digest, synchronous=request.sync
        )
        return empty_pb2.Empty()


def _check(image: pb.Image) -> None:
    if not image.name:
        raise errors.InvalidArgument("Image.Name required")
