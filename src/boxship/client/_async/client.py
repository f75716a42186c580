"""The client: everything a daemon keeps under one namespace."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

from boxship.client import async_sessions, endpoints

if TYPE_CHECKING:
    from boxship.client import results
    from boxship.client._async import facts
    from boxship.client._async.containers import AsyncContainers  # by name: a part here is called `containers`
    from boxship.client._async.images import AsyncImages
    from boxship.core.introspection import Version
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

    def __init__(self, session: async_sessions.AsyncSession, known: facts.AsyncFacts | None = None) -> None:
        self._session = session
        self._known = known
        self.address = session.endpoint.address
        self.namespace_name = session.caller.namespace

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, namespace={self.namespace_name!r})"

    @classmethod
    async def open(cls, endpoint: endpoints.Endpoint, namespace: str) -> Self:
        """Connect. Raises Unavailable, PermissionDenied, InvalidArgument."""
        return cls(await async_sessions.AsyncSession.open(endpoint, namespace))

    # Each part is loaded when it is used first: one call of the command needs few of them.

    @cached_property
    def images(self) -> AsyncImages:
        from boxship.client._async import images

        return images.AsyncImages(self._session, self._facts)

    @cached_property
    def containers(self) -> AsyncContainers:
        from boxship.client._async import containers

        return containers.AsyncContainers(self._session, lambda: self._facts, lambda: self.images)

    @cached_property
    def content(self) -> content_proxy.ContentProxy:
        from boxship.proxies._async import content as content_proxy

        return content_proxy.ContentProxy(self._session.caller)

    @cached_property
    def leases(self) -> leases_proxy.LeasesProxy:
        from boxship.proxies._async import leases as leases_proxy

        return leases_proxy.LeasesProxy(self._session.caller)

    @cached_property
    def namespaces(self) -> namespaces_proxy.NamespacesProxy:
        from boxship.proxies._async import namespaces as namespaces_proxy

        return namespaces_proxy.NamespacesProxy(self._session.caller)

    @cached_property
    def tasks(self) -> tasks_proxy.TasksProxy:
        from boxship.proxies._async import tasks as tasks_proxy

        return tasks_proxy.TasksProxy(self._session.caller)

    @cached_property
    def introspection(self) -> introspection_proxy.IntrospectionProxy:
        from boxship.proxies._async import introspection as introspection_proxy

        return introspection_proxy.IntrospectionProxy(self._session.caller)

    @cached_property
    def diff(self) -> diff_proxy.DiffProxy:
        from boxship.proxies._async import diff as diff_proxy

        return diff_proxy.DiffProxy(self._session.caller)

    @cached_property
    def publisher(self) -> events_proxy.EventsProxy:
        from boxship.proxies._async import events as events_proxy

        return events_proxy.EventsProxy(self._session.caller)

    @cached_property
    def _facts(self) -> facts.AsyncFacts:
        from boxship.client._async import facts

        return self._known or facts.AsyncFacts(self._session)

    def namespace(self, name: str) -> AsyncClient:
        """The same daemon and connection, bound to another namespace. Closing either closes both."""
        return AsyncClient(self._session.bind(name), self._facts)

    def lease(self, id: str) -> AsyncClient:
        """The same, where all that is written belongs to a lease."""
        return AsyncClient(self._session.bind(lease=id), self._facts)

    async def snapshots(self, name: str = "") -> snapshots_proxy.SnapshotsProxy:
        """A snapshotter by its name; without one the default."""
        from boxship.proxies._async import snapshots as snapshots_proxy

        chosen = await self._facts.snapshotter(self.namespace_name, name)
        return snapshots_proxy.SnapshotsProxy(self._session.caller, chosen)

    def events(self, filters: Sequence[str] = ()) -> async_subscriptions.Subscription:
        """Events of all namespaces as they come: an iterator of core.events.Envelope; closing ends it.

        `boxship.wire.events.decode(envelope.event)` gives the fields.
        """
        return self.publisher.subscribe(filters)

    async def version(self) -> Version:
        from boxship.proxies._async import version as version_proxy

        return await version_proxy.VersionProxy(self._session.caller).version()

    async def info(self) -> results.Info:
        from boxship.client import results
        from boxship.core import tasks

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
