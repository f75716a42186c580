"""Containers. The spec goes through as the bytes it came as."""

from boxship.api import containers_pb2 as pb
from boxship.core import containers
from boxship.wire import times, typed


def message(container: containers.Container) -> pb.Container:
    made = pb.Container(
        id=container.id,
        labels=container.labels,
        image=container.image,
        runtime=pb.Container.Runtime(name=container.runtime.name, options=typed.message(container.runtime.options)),
        spec=typed.message(container.spec),
        snapshotter=container.snapshotter,
        snapshot_key=container.snapshot_key,
        created_at=times.message(container.created_at),
        updated_at=times.message(container.updated_at),
        sandbox=container.sandbox_id,
    )
    for name, extension in container.extensions.items():
        made.extensions[name].type_url = extension.type_url
        made.extensions[name].value = extension.value
    return made


def value(message: pb.Container) -> containers.Container:
    return containers.Container(
        id=message.id,
        labels=dict(message.labels),
        image=message.image,
        runtime=containers.Runtime(name=message.runtime.name, options=typed.value(message.runtime, "options")),
        spec=typed.value(message, "spec"),
        snapshotter=message.snapshotter,
        snapshot_key=message.snapshot_key,
        created_at=times.value(message, "created_at"),
        updated_at=times.value(message, "updated_at"),
        extensions={name: typed.typed(each) for name, each in message.extensions.items()},
        sandbox_id=message.sandbox,
    )
