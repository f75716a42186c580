"""Sessions, awaited: see `sessions`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from boxship.client import endpoints, sessions
from boxship.proxies import async_callers, callers
from boxship.rpc import aio
from boxship.rpc import client as rpc
from boxship.terms import errors

if TYPE_CHECKING:
    from boxship.plugins.transfer import progress as transfer

T = TypeVar("T")
P = ParamSpec("P")


class _Connections:
    """Of one client: the loop's, and for work in threads another one, made when it is needed first."""

    def __init__(self, endpoint: endpoints.Endpoint, channel: aio.Channel) -> None:
        self.endpoint = endpoint
        self.channel = channel
        self._lock = threading.Lock()
        self._other: rpc.Channel | None = None

    def other(self) -> rpc.Channel:
        with self._lock:
            if self._other is None:
                self._other = sessions.channel_to(self.endpoint)
            return self._other

    async def close(self) -> None:
        await self.channel.close()
        with self._lock:
            other, self._other = self._other, None
        if other is not None:
            other.close()
        await asyncio.to_thread(self.endpoint.let_go)


class AsyncSession:
    """A connection bound to a namespace and perhaps a lease, for the tasks of one event loop."""

    def __init__(self, connections: _Connections, caller: async_callers.AsyncCaller) -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self.endpoint = connections.endpoint
        self.caller = caller

    @classmethod
    async def open(cls, endpoint: endpoints.Endpoint, namespace: str) -> AsyncSession:
        """Raises Unavailable, PermissionDenied, InvalidArgument."""
        try:
            if endpoint.dial is not None:
                channel = await aio.Channel.adopt(endpoint.dial())
            else:
                channel = await aio.Channel.connect(endpoint.address, timeout=endpoint.timeout, tls=endpoint.tls)
        except (OSError, ValueError) as exc:
            raise endpoints.refused(endpoint.address, exc) from exc
        return cls(_Connections(endpoint, channel), async_callers.AsyncCaller(channel, namespace))

    def bind(self, namespace: str = "", *, lease: str = "") -> AsyncSession:
        return AsyncSession(self._connections, self.caller.bind(namespace, lease=lease))

    def blocking(self) -> callers.Caller:
        """For work that is written for threads; to be called in one."""
        return callers.Caller(self._connections.other(), self.caller.namespace, lease=self.caller.lease)

    async def work(self, report: transfer.Report | None, function: Callable[[callers.Caller, transfer.Report], T]) -> T:
        """Do something that waits for disks and registries, in a thread, telling the loop how it goes.

        When the task is cancelled the work ends at its next step.
        """
        teller = _Teller(self._loop, report)
        try:
            return await asyncio.to_thread(lambda: function(self.blocking(), teller))
        except asyncio.CancelledError:
            teller.canceled = True
            raise

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something that waits for a disk, in a thread."""
        return await asyncio.to_thread(function, *args, **kwargs)

    async def answer(self, later: async_callers.Later[T]) -> T:
        return await later

    async def answered(self, later: async_callers.Later[T], seconds: float) -> bool:
        """Whether the answer comes within so many seconds; it may be an error."""
        done, _ = await asyncio.wait([asyncio.ensure_future(later)], timeout=seconds)
        return bool(done)

    def forget(self, later: async_callers.Later[T]) -> None:
        """Nobody waits for this answer any more: the question is withdrawn."""
        if isinstance(later, asyncio.Future) and not later.cancel():
            later.exception()

    async def ended(self, future: Future[None], seconds: float | None = None) -> None:
        """Wait for the end of work of ours, but no longer than so many seconds; raises what went wrong with it."""
        done, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=seconds)
        if done:
            future.result()

    def from_thread(self, function: Callable[[], Awaitable[Any]]) -> None:
        """Call something of this half from a thread of ours, and wait."""

        async def run() -> None:
            await function()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self._connections.close()


class _Teller:
    """Carries reports into the loop, and a cancellation out of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: transfer.Report | None) -> None:
        self._loop = loop
        self._report = report
        self.canceled = False

    def __call__(self, progress: transfer.Progress) -> None:
        if self.canceled:
            raise errors.Canceled("the transfer")
        if self._report is not None:
            self._loop.call_soon_threadsafe(self._report, progress)
