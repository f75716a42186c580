"""A session: the connection to a daemon, and how this half of the library waits.

`async_sessions` is the same awaited; both are written by hand, since waiting is where the halves differ.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from boxship.client import endpoints
from boxship.proxies import callers
from boxship.rpc import client as rpc

if TYPE_CHECKING:
    from boxship.plugins.transfer import progress as transfer

T = TypeVar("T")
P = ParamSpec("P")


class Session:
    """A connection bound to a namespace and perhaps a lease. Many threads may share it."""

    def __init__(self, endpoint: endpoints.Endpoint, caller: callers.Caller, channel: rpc.Channel) -> None:
        self.endpoint = endpoint
        self.caller = caller
        self._channel = channel

    @classmethod
    def open(cls, endpoint: endpoints.Endpoint, namespace: str) -> Session:
        """Raises Unavailable, PermissionDenied, InvalidArgument."""
        channel = channel_to(endpoint)
        return cls(endpoint, callers.Caller(channel, namespace), channel)

    def bind(self, namespace: str = "", *, lease: str = "") -> Session:
        return Session(self.endpoint, self.caller.bind(namespace, lease=lease), self._channel)

    def blocking(self) -> callers.Caller:
        """For work that is written for threads."""
        return self.caller

    def work(self, report: transfer.Report | None, function: Callable[[callers.Caller, transfer.Report], T]) -> T:
        """Do something that waits for disks and registries, telling how it goes."""
        if report is None:
            from boxship.plugins.transfer import progress

            return function(self.caller, progress.silent)
        return function(self.caller, _one_at_a_time(report))

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something that waits for a disk."""
        return function(*args, **kwargs)

    def answer(self, later: callers.Later[T]) -> T:
        return later.result()

    def answered(self, later: callers.Later[T], seconds: float) -> bool:
        """Whether the answer comes within so many seconds; it may be an error."""
        return bool(concurrent.futures.wait([later], seconds).done)

    def forget(self, later: callers.Later[T]) -> None:
        """Nobody waits for this answer any more; one that comes is passed over."""

    def ended(self, future: Future[None], seconds: float | None = None) -> None:
        """Wait for the end of work of ours, but no longer than so many seconds; raises what went wrong with it."""
        if concurrent.futures.wait([future], seconds).done:
            future.result()

    def from_thread(self, function: Callable[[], object]) -> None:
        """Call something of this half from a thread of ours, and wait."""
        function()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        self._channel.close()
        self.endpoint.let_go()


def channel_to(endpoint: endpoints.Endpoint) -> rpc.Channel:
    try:
        if endpoint.dial is not None:
            return rpc.Channel(endpoint.dial())
        return rpc.Channel.connect(endpoint.address, timeout=endpoint.timeout, tls=endpoint.tls)
    except (OSError, ValueError) as exc:
        raise endpoints.refused(endpoint.address, exc) from exc


def _one_at_a_time(report: transfer.Report) -> transfer.Report:
    lock = threading.Lock()

    def tell(progress: transfer.Progress) -> None:
        with lock:
            report(progress)

    return tell
