"""One thread that watches descriptors (epoll(7)) for those which must not hold a thread each."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT


class Poller:
    """Each watch fires once; the callback runs in the poller's thread, must not wait, and may watch again."""

    def __init__(self, name: str) -> None:
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def watch(self, descriptor: int, events: int, callback: Callable[[], None]) -> None:
        """Call back once when the descriptor is ready. Replaces an earlier watch."""
        with self._lock:
            if self._closed:
                return
            self._callbacks[descriptor] = callback
            try:
                self._epoll.modify(descriptor, events | select.EPOLLONESHOT)
            except FileNotFoundError:
                self._epoll.register(descriptor, events | select.EPOLLONESHOT)

    def pause(self, descriptor: int) -> None:
        """Do not call back until it is watched again; cheaper than to forget."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._epoll.modify(descriptor, select.EPOLLONESHOT)  # a hang-up is told all the same: once

    def forget(self, descriptor: int) -> None:
        """Before the descriptor is closed."""
        with self._lock:
            if self._callbacks.pop(descriptor, None) is not None:
                with contextlib.suppress(OSError, ValueError):
                    self._epoll.unregister(descriptor)

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        while not self._closed:
            for descriptor, _ in self._epoll.poll():
                callback = self._callbacks.get(descriptor)
                if callback is not None:
                    try:
                        callback()
                    except Exception:
                        _log.exception("a watch failed")
        self._epoll.close()
        os.close(self._wake)


_shared: Poller | None = None
_making = threading.Lock()


def shared() -> Poller:
    """The one poller of all clients in this process, started with its first use."""
    global _shared
    if _shared is None:
        with _making:
            if _shared is None:
                _shared = Poller("rpc-clients")
    return _shared
