"""The client: everything a daemon keeps under one namespace."""

from collections.abc import Sequence
from typing import Self

from boxship.client import async_sessions, endpoints, results
from boxship.client._async import containers, facts, images
from boxship.core import introspection, tasks
from boxship.proxies import async_subscriptions
from boxship.proxies._async import content as content_proxy
from boxship.proxies._async import diff as diff_proxy
from boxship.proxies._async import events as events_proxy
from boxship.proxies._async import introspection as introspection_proxy
from boxship.proxies._async import leases as leases_proxy
from boxship.proxies._async import namespaces as namespaces_proxy
from boxship.proxies._async import snapshots as snapshots_proxy
from boxship.proxies._async import tasks as tasks_proxy
from boxship.proxies._async import version as version_proxy


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

    def __init__(self, session: async_sessions.AsyncSession, known: facts.AsyncFacts | None = None) -> None:
        caller = session.caller
        self._session = session
        self._facts = known or facts.AsyncFacts(session)
        self._version = version_proxy.VersionProxy(caller)
        self.address = session.endpoint.address
        self.namespace_name = caller.namespace
        self.images = images.AsyncImages(session, self._facts)
        self.containers = containers.AsyncContainers(session, self._facts, self.images)
        self.content = content_proxy.ContentProxy(caller)
        self.leases = leases_proxy.LeasesProxy(caller)
        self.namespaces = namespaces_proxy.NamespacesProxy(caller)
        self.tasks = tasks_proxy.TasksProxy(caller)
        self.introspection = introspection_proxy.IntrospectionProxy(caller)
        self.diff = diff_proxy.DiffProxy(caller)
        self.publisher = events_proxy.EventsProxy(caller)

    @classmethod
    async def open(cls, endpoint: endpoints.Endpoint, namespace: str) -> Self:
        """Connect. Raises Unavailable, PermissionDenied, InvalidArgument."""
        return cls(await async_sessions.AsyncSession.open(endpoint, namespace))

    def namespace(self, name: str) -> "AsyncClient":
        """The same daemon and connection, bound to another namespace. Closing either closes both."""
        return AsyncClient(self._session.bind(name), self._facts)

    def lease(self, id: str) -> "AsyncClient":
        """The same, where all that is written belongs to a lease."""
        return AsyncClient(self._session.bind(lease=id), self._facts)

    async def snapshots(self, name: str = "") -> snapshots_proxy.SnapshotsProxy:
        """A snapshotter by its name; without one the default."""
        chosen = await self._facts.snapshotter(self.namespace_name, name)
        return snapshots_proxy.SnapshotsProxy(self._session.caller, chosen)

    def events(self, filters: Sequence[str] = ()) -> async_subscriptions.Subscription:
        """Events of all namespaces as they come: an iterator of core.events.Envelope; closing ends it.

        `boxship.wire.events.decode(envelope.event)` gives the fields.
        """
        return self.publisher.subscribe(filters)

    async def version(self) -> introspection.Version:
        return await self._version.version()

    async def info(self) -> results.Info:
        plugins = await self.introspection.plugins()
        states = await self.containers.states()
        return results.Info(
            version=await self.version(),
            server=await self.introspection.server(),
            root=await self._facts.root(),
            snapshotter=await self._facts.snapshotter(self.namespace_name),
            snapshotters=await self._facts.snapshotters(),
            containers=len(await self.containers.list()),
            running=sum(state.status is not tasks.Status.STOPPED for state in states.values()),
            images=len(await self.images.list()),
            failed=[plugin for plugin in plugins if plugin.error],
        )

    async def close(self) -> None:
        """Let go of the connection; what runs goes on."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
