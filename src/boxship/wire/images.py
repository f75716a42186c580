"""Images."""

from boxship.api import images_pb2 as pb
from boxship.core import images
from boxship.wire import oci, times


def message(image: images.Image) -> pb.Image:
    return pb.Image(
        name=image.name,
        labels=image.labels,
        target=oci.message(image.target),
        created_at=times.message(image.created_at),
        updated_at=times.message(image.updated_at),
    )


def value(message: pb.Image) -> images.Image:
    return images.Image(
        name=message.name,
        labels=dict(message.labels),
        target=oci.value(message.target),
        created_at=times.value(message, "created_at"),
        updated_at=times.value(message, "updated_at"),
    )
