"""What a handler sees of the call it answers, and the stream of answers that costs no thread."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

Metadata = Mapping[str, "tuple[str | bytes, ...]"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who sits at the other end of a unix socket, as the kernel knows it (SO_PEERCRED, unix(7))."""

    pid: int
    uid: int
    gid: int


@runtime_checkable
class Feed(Protocol):
    """A stream of answers that costs no thread while it is idle (event subscriptions).

    The transport polls until nothing is ready, then waits for the callback. It closes the feed at its end, when the
    call is canceled and when the connection is lost, once. It never polls from two threads at a time.
    """

    def poll(self) -> Any | None:
        """The next item, or None when nothing is ready. Never waits.

        Raises:
            StopIteration: the stream has ended well.
            Exception: whatever else ends the call with the status it is translated to.
        """

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Have the callback run, in any thread, whenever poll may return something again; also for what is there now."""

    def close(self) -> None:
        """Let go. Nothing is polled afterwards."""


class Call:
    """What a handler sees of its call. Handlers may use it from any thread."""

    __slots__ = ("_callbacks", "canceled", "deadline", "initial_metadata", "metadata", "peer", "trailing_metadata")

    def __init__(self, *, metadata: Metadata, deadline: float | None = None, peer: Peer | None = None) -> None:
        self.metadata = metadata  # lower-case keys; values of keys that end in "-bin" are bytes
        self.deadline = deadline  # on the clock of time.monotonic()
        self.peer = peer
        self.canceled = False
        self.initial_metadata: Mapping[str, str | bytes] | None = None  # to send before the first answer (gRPC only)
        self.trailing_metadata: Mapping[str, str | bytes] | None = None  # to send with the status (gRPC only)
        self._callbacks: list[Callable[[], None]] | None = None

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Run the callback when the client goes away, cancels, or its deadline passes; at once if it already has.

        It runs in a thread of the transport and must not wait. After the call has been answered it does not run.
        """
        with _registration:
            if not self.canceled:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        callback()

    def cancel(self) -> list[Exception]:
        """For the transport: mark as canceled and run the callbacks, once. What they raise comes back."""
        with _registration:
            if self.canceled:
                return []
            self.canceled = True
            callbacks, self._callbacks = self._callbacks, None
        failures = []
        for callback in callbacks or ():
            try:
                callback()
            except Exception as failure:
                failures.append(failure)
        return failures

    def settle(self) -> None:
        """For the transport: the call has been answered, forget the callbacks."""
        self._callbacks = None


# One lock for all calls: it is held for a few instructions, and a lock per call would cost more than it saves.
_registration = threading.Lock()
