"""Answers that come when they come: moving them from a feed to the client, without a thread that waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from boxship.rpc import calls, exchanges, pool, status

_log = logging.getLogger(__name__)


class Answering(Protocol):
    """The call whose answers they are (`running.Running`)."""

    call: calls.Call
    exchange: exchanges.Exchange

    @property
    def lock(self) -> threading.Lock: ...

    @property
    def threads(self) -> pool.Pool: ...

    def encode(self, answer: Any) -> bytes: ...

    def send(self, data: bytes) -> bool: ...

    def finish(self, ending: status.Status | None) -> None: ...

    def fail(self, failure: BaseException) -> None: ...


class Pump:
    """Moves answers from a feed to the client whenever both are ready, in a thread of the pool."""

    __slots__ = ("_again", "_busy", "_closed", "_feed", "_lock", "_running", "pending")

    def __init__(self, running: Answering, feed: calls.Feed) -> None:
        self.pending = False
        self._running = running
        self._feed = feed
        self._lock = threading.Lock()
        self._busy = self._again = self._closed = False

    def start(self) -> None:
        try:
            self._feed.on_ready(self.ready)
        except Exception as failure:
            self._running.fail(failure)
            self.stop()
            return
        if self._running.call.canceled:
            self.stop()
        else:
            self.ready()

    def ready(self) -> None:
        with self._lock:
            if self._busy or self._closed:
                self._again = True
                return
            self._busy = True
        try:
            self._running.threads.submit(self._move)
        except pool.Full:
            self._move()

    def stop(self) -> None:
        """The call is over."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._busy:
                return  # whoever moves closes
        guarded(self._feed.close)

    def _move(self) -> None:
        while True:
            over = self._drain()
            with self._lock:
                over = over or self._closed
                if not over and self._again:
                    self._again = False
                    continue
                self._busy = False
                self._closed = self._closed or over
            if over:
                guarded(self._feed.close)
            return

    def _drain(self) -> bool:
        """Send what is ready; True when the call is over."""
        running = self._running
        try:
            while not self._closed:
                if running.exchange.blocked:
                    return False
                item = self._feed.poll()
                if item is None:
                    return False
                data = running.encode(item)
                with running.lock:
                    if not running.send(data):
                        return True
        except StopIteration:
            running.finish(None)
        except BaseException as failure:
            running.fail(failure)
        return True


def guarded(close: Callable[[], Any]) -> None:
    """Close, and only tell when that fails."""
    try:
        close()
    except Exception:
        _log.exception("closing a call's answers failed")
