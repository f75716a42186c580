"""What a client must know of its daemon: asked once."""

from boxship.client import async_sessions, marks
from boxship.core import introspection
from boxship.proxies._async import introspection as introspection_proxy
from boxship.proxies._async import namespaces as namespaces_proxy
from boxship.terms import errors

_CONTENT = "io.containerd.content.v1"
_SNAPSHOTTER = "io.containerd.snapshotter.v1"
_PREFERRED = ("overlayfs", "native")


class AsyncFacts:
    """Of one daemon; shared by its clients for all namespaces."""

    def __init__(self, session: async_sessions.AsyncSession) -> None:
        self._introspection = introspection_proxy.IntrospectionProxy(session.caller)
        self._namespaces = namespaces_proxy.NamespacesProxy(session.caller)
        self._plugins: list[introspection.Plugin] | None = None
        self._chosen: dict[str, str] = {}

    async def plugins(self) -> list[introspection.Plugin]:
        if self._plugins is None:
            self._plugins = await self._introspection.plugins()
        return self._plugins

    async def root(self) -> str:
        """The daemon's folder: where its content lies. Empty when it does not tell."""
        for plugin in await self.plugins():
            if plugin.type == _CONTENT and plugin.exports.get("root", "").startswith("/"):
                return plugin.exports["root"].rstrip("/").rpartition("/")[0]
        return ""

    async def snapshotters(self) -> list[str]:
        """Those that can be used."""
        return [each.id for each in await self.plugins() if each.type == _SNAPSHOTTER and not each.error]

    async def snapshotter(self, namespace: str, name: str = "") -> str:
        """The named one, or the namespace's, or the daemon's best. Raises Unavailable when it has none."""
        if name:
            return name
        if namespace not in self._chosen:
            self._chosen[namespace] = await self._told(namespace) or await self._best()
        return self._chosen[namespace]

    async def _told(self, namespace: str) -> str:
        try:
            return (await self._namespaces.get(namespace)).labels.get(marks.DEFAULT_SNAPSHOTTER, "")
        except errors.NotFound:
            return ""

    async def _best(self) -> str:
        there = await self.snapshotters()
        for name in (*_PREFERRED, *there):
            if name in there:
                return name
        raise errors.Unavailable("the daemon has no snapshotter that works; `boxship plugins ls` says why")
