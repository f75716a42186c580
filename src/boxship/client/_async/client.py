"""The client: everything a daemon keeps under one namespace."""

from collections.abc import Sequence
from typing import Self

from boxship.client import results
from boxship.client._async import containers, images
from boxship.core import introspection
from boxship.proxies import async_subscriptions
from boxship.proxies._async import content as content_proxy
from boxship.proxies._async import diff as diff_proxy
from boxship.proxies._async import events as events_proxy
from boxship.proxies._async import introspection as introspection_proxy
from boxship.proxies._async import leases as leases_proxy
from boxship.proxies._async import namespaces as namespaces_proxy
from boxship.proxies._async import snapshots as snapshots_proxy
from boxship.proxies._async import tasks as tasks_proxy


class AsyncClient:
    """A daemon as seen from one namespace: conveniences (`images`, `containers`) and the plain services.

    A context manager; may be used from many threads at once. Made by `boxship.connect` or `boxship.embed`.

    Attributes:
        images: pull, push, list, tag, remove, load, save.
        containers: run, create, get, list.
        content, leases, namespaces, tasks, introspection, diff, publisher: the core's Protocols over the wire.
        namespace_name: what it is bound to.
        address: of the daemon, for messages.
    """

    images: images.AsyncImages
    containers: containers.AsyncContainers
    content: content_proxy.ContentProxy
    leases: leases_proxy.LeasesProxy
    namespaces: namespaces_proxy.NamespacesProxy
    tasks: tasks_proxy.TasksProxy
    introspection: introspection_proxy.IntrospectionProxy
    diff: diff_proxy.DiffProxy
    publisher: events_proxy.EventsProxy
    namespace_name: str
    address: str

    def namespace(self, name: str) -> "AsyncClient":
        """The same daemon and connection, bound to another namespace. Closing either closes both."""
        raise NotImplementedError

    def lease(self, id: str) -> "AsyncClient":
        """The same, where all that is written belongs to a lease."""
        raise NotImplementedError

    async def snapshots(self, name: str = "") -> snapshots_proxy.SnapshotsProxy:
        """A snapshotter by its name; without one the default."""
        raise NotImplementedError

    def events(self, filters: Sequence[str] = ()) -> async_subscriptions.Subscription:
        """Events of all namespaces as they come: an iterator of core.events.Envelope; closing ends it.

        `boxship.client.events.decode(envelope.event)` gives the fields.
        """
        raise NotImplementedError

    async def version(self) -> introspection.Version: ...

    async def info(self) -> results.Info: ...

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...
