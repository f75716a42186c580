"""io.containerd.grpc.v1.*: what clients can ask. Each needs what it asks in turn."""

from typing import Any

from boxship.core import kinds
from boxship.services import (
    containers,
    content,
    diff,
    events,
    health,
    images,
    introspection,
    leases,
    namespaces,
    snapshots,
    tasks,
    version,
)
from boxship.wiring import parts
from boxship.wiring.kinds import Kind


def _over(name: str, kind: "Kind[Any]", adapter: Any) -> "parts.Registration[kinds.Adapter]":
    """An adapter that asks one part."""
    return parts.Registration(
        kind=kinds.GRPC, name=name, requires=(kind,), make=lambda _, needs: adapter(needs.one(kind))
    )


def _make_content(_config: None, needs: parts.Needs) -> kinds.Adapter:
    book: Any = needs.one(kinds.METADATA)
    made = content.ContentService(book)
    if hasattr(book, "on_mutation"):
        book.on_mutation(lambda _freed: made.changed())
    return made


def _make_diff(_config: None, needs: parts.Needs) -> kinds.Adapter:
    return diff.DiffService(needs.one(kinds.METADATA), needs.one(kinds.DIFFER))


def _make_namespaces(_config: None, needs: parts.Needs) -> kinds.Adapter:
    return namespaces.NamespacesService(needs.one(kinds.METADATA).namespaces)


def _make_ttrpc_events(_config: None, needs: parts.Needs) -> kinds.Adapter:
    return events.TtrpcEventsService(needs.one(kinds.EVENTS))


CONTAINERS = _over("containers", kinds.METADATA, containers.ContainersService)
CONTENT = parts.Registration(kind=kinds.GRPC, name="content", requires=(kinds.METADATA,), make=_make_content)
DIFF = parts.Registration(kind=kinds.GRPC, name="diff", requires=(kinds.METADATA, kinds.DIFFER), make=_make_diff)
EVENTS = _over("events", kinds.EVENTS, events.EventsService)
HEALTH = parts.Registration(kind=kinds.GRPC, name="healthcheck", make=lambda _, __: health.HealthService())
IMAGES = _over("images", kinds.METADATA, images.ImagesService)
INTROSPECTION = _over("introspection", kinds.INTROSPECTION, introspection.IntrospectionService)
LEASES = _over("leases", kinds.METADATA, leases.LeasesService)
NAMESPACES = parts.Registration(kind=kinds.GRPC, name="namespaces", requires=(kinds.METADATA,), make=_make_namespaces)
SNAPSHOTS = _over("snapshots", kinds.METADATA, snapshots.SnapshotsService)
TASKS = _over("tasks", kinds.TASKS, tasks.TasksService)
VERSION = _over("version", kinds.INTROSPECTION, version.VersionService)
TTRPC_EVENTS = parts.Registration(kind=kinds.TTRPC, name="events", requires=(kinds.EVENTS,), make=_make_ttrpc_events)
