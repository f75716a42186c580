"""Events on their way to the daemon: kept in order while it is away, handed over one after the other when it is there.

The daemon is called at its ttrpc socket (`containerd.services.events.ttrpc.v1.Events/Forward`). An event leaves the
queue when the daemon has answered; one whose answer was lost is sent again.
"""

import collections
import contextlib
import errno
import socket
import time
from collections.abc import Callable
from typing import Any

from boxship.api import any_pb2, ttrpc_events_pb2, types_pb2
from boxship.rpc import status
from boxship.rpc.ttrpc import client
from boxship.shim import journal, loop
from boxship.wire import times

QUEUE_LIMIT = 2048  # containerd's
_METADATA = "containerd-namespace-ttrpc"
_SERVICE = "containerd.services.events.ttrpc.v1.Events"
_ANSWER_SECONDS = 10.0
_SHORTEST, _LONGEST = 0.05, 2.0  # seconds between attempts to reach the daemon


class Publisher:
    """The queue and the way out of it."""

    def __init__(self, events: loop.Loop, *, address: str, namespace: str) -> None:
        """`address`: path of the daemon's ttrpc socket; empty when nobody wants to know."""
        self._loop, self._address, self._namespace = events, address.removeprefix("unix://"), namespace
        self._queue: collections.deque[bytes] = collections.deque()
        self._lost = 0
        self._socket: socket.socket | None = None
        self._protocol = client.ClientConnection()
        self._asked = False
        self._unsent = b""
        self._pause = _SHORTEST
        self._timer: loop.Timer | None = None
        self._flushed: Callable[[], None] | None = None

    @property
    def idle(self) -> bool:
        return not self._queue

    def publish(self, topic: str, event: Any) -> None:
        """Queue an event. When the queue is full the oldest one is lost, and the log says so."""
        if not self._address:
            return
        envelope = types_pb2.Envelope(
            timestamp=times.message(time.time_ns()),
            namespace=self._namespace,
            topic=topic,
            event=any_pb2.Any(type_url=event.DESCRIPTOR.full_name, value=event.SerializeToString()),
        )
        if len(self._queue) >= QUEUE_LIMIT:
            # The head may be on its way; the one after it is the oldest that surely is not.
            del self._queue[1 if self._asked else 0]
            self._lost += 1
            journal.error(f"the daemon has been away for {QUEUE_LIMIT} events; {self._lost} are lost")
        self._queue.append(ttrpc_events_pb2.ForwardRequest(envelope=envelope).SerializeToString())
        self._loop.later(0, self._next)  # after the answer to the call that it tells of

    def flush(self, seconds: float, done: Callable[[], None]) -> None:
        """Call `done` once everything has been handed over, or when the time is over."""
        self._loop.later(seconds, self._finish_flush)
        self._flushed = done
        if not self._queue:
            self._finish_flush()

    def close(self) -> None:
        """Forget what is queued."""
        self._queue.clear()
        self._disconnect()

    def _finish_flush(self) -> None:
        done, self._flushed = self._flushed, None
        if done is not None:
            done()

    def _next(self) -> None:
        """Hand over the head of the queue, unless it is on its way or we wait before we try again."""
        if self._asked or not self._queue or (self._timer is not None and self._timer.callback is not None):
            return
        try:
            if self._socket is None:
                self._connect()
            self._protocol.request(
                _SERVICE,
                "Forward",
                self._queue[0],
                timeout_nano=int(_ANSWER_SECONDS * 1e9),
                metadata={_METADATA: (self._namespace,)},
            )
            self._asked = True
            self._unsent += self._protocol.take()
            self._flush()
            self._timer = self._loop.later(_ANSWER_SECONDS, self._fail)
        except OSError as error:
            self._failed(error)

    def _connect(self) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            # A unix socket connects at once or not at all; EAGAIN says that its backlog is full.
            made.connect(self._address)
        except OSError:
            made.close()
            raise
        self._socket, self._protocol, self._unsent = made, client.ClientConnection(), b""
        self._loop.watch(made.fileno(), loop.IN, self._ready)

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._asked = False

    def _ready(self, _events: int) -> None:
        assert self._socket is not None
        try:
            if self._unsent:
                self._flush()
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._failed(error)
            return
        if not data:
            self._failed(ConnectionResetError(errno.ECONNRESET, "the daemon has closed the connection"))
            return
        for event in self._protocol.receive(data):
            if isinstance(event, client.Response):
                self._answered(event)

    def _answered(self, response: client.Response) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._asked = False
        if response.status is not None and response.status.code is status.Code.UNAVAILABLE:
            self._failed(OSError(errno.EAGAIN, response.status.message))
            return
        self._pause = _SHORTEST
        if response.status is not None:
            # The daemon is there and does not want this one; it would not want it the next time either.
            journal.error(f"an event was refused: {response.status}")
        self._queue.popleft()
        if not self._queue:
            self._finish_flush()
        self._next()

    def _flush(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent, socket.MSG_NOSIGNAL) :]
        self._loop.watch(self._socket.fileno(), loop.IN | loop.OUT if self._unsent else loop.IN, self._ready)

    def _fail(self) -> None:
        self._failed(TimeoutError(errno.ETIMEDOUT, f"no answer within {_ANSWER_SECONDS:.0f} seconds"))

    def _failed(self, error: OSError) -> None:
        journal.info(f"the daemon cannot be told of an event: {error}")
        self._disconnect()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.later(self._pause, self._again)
        self._pause = min(self._pause * 2, _LONGEST)
        if not self._queue:
            self._timer.cancel()

    def _again(self) -> None:
        self._timer = None
        self._next()
