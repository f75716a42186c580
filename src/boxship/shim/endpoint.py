"""The socket at which the shim is called: ttrpc's server side, driven by the loop."""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from boxship.rpc import methods, status
from boxship.rpc.ttrpc import envelopes, server
from boxship.shim import journal, later, loop
from boxship.wire import errors as wire_errors

READ_SIZE = 64 * 1024
UNSENT_LIMIT = 32 << 20  # a client that asks and does not read is let go
CONNECTION_LIMIT = 1024
_PAUSE = 0.5  # seconds without new clients when there are no descriptors for them
_WAIT = "Wait"  # the call that may take as long as the container lives, and may be made again
_NO_CALL: Any = None  # our handlers look at the request alone

Service = tuple[Mapping[str, methods.Method], Any]
"""The methods by name, and the object whose methods of the same names answer them."""


class Endpoint:
    """Accepts connections and answers their calls until it is closed."""

    def __init__(self, events: loop.Loop, listener: socket.socket, services: Mapping[str, Service]) -> None:
        """`services`: by their full names."""
        self._loop, self._listener, self._services = events, listener, services
        self._connections: set[Connection] = set()
        listener.setblocking(False)
        self._listen()

    @property
    def idle(self) -> bool:
        """Whether no call is under way but those that wait for an end."""
        return all(connection.idle for connection in self._connections)

    def state(self) -> list[Any]:
        """For `restore`, when idle and with our descriptors left open."""
        return [connection.state() for connection in self._connections]

    def restore(self, state: list[Any]) -> None:
        for each in state:
            accepted = socket.socket(fileno=each["socket"])
            connection = Connection(self._loop, accepted, self._handle, self._connections.discard)
            self._connections.add(connection)
            connection.restore(each)

    def refuse(self) -> None:
        """Let nobody new in."""
        if self._listener.fileno() >= 0:
            self._loop.unwatch(self._listener.fileno())
            self._listener.close()

    def close(self) -> None:
        """Take no more calls; the answers that are ready go out."""
        self.refuse()
        for connection in [*self._connections]:
            connection.close()

    def _listen(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.watch(self._listener.fileno(), loop.IN, self._ready)

    def _ready(self, _events: int) -> None:
        try:
            with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                while True:
                    self._accept()
        except OSError as error:
            journal.warning(f"no client can be let in for now: {error}")
            self._loop.unwatch(self._listener.fileno())
            self._loop.later(_PAUSE, self._listen)

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        if len(self._connections) >= CONNECTION_LIMIT:
            accepted.close()
        else:
            self._connections.add(Connection(self._loop, accepted, self._handle, self._connections.discard))

    def _handle(self, request: server.Request) -> Any:
        """The encoded answer, or a Later of the message with its encoder. Raises whatever the handler raises."""
        asked = request.envelope
        if asked.service not in self._services:
            raise status.Status(status.Code.UNIMPLEMENTED, f"service {asked.service}")
        table, adapter = self._services[asked.service]
        method = table.get(asked.method)
        if method is None:
            raise status.Status(status.Code.UNIMPLEMENTED, f"method {asked.method}")
        answer = getattr(adapter, method.name)(method.decode_request(asked.payload), _NO_CALL)
        encode = method.encode_response
        return (answer, encode) if isinstance(answer, later.Later) else encode(answer)


class Connection:
    """One client. Never waits for it."""

    def __init__(
        self,
        events: loop.Loop,
        accepted: socket.socket,
        handle: Callable[[server.Request], Any],
        gone: Callable[["Connection"], None],
    ) -> None:
        self._loop, self._socket, self._handle, self._gone = events, accepted, handle, gone
        self._protocol = server.ServerConnection()
        self._unsent = b""
        self._pending: dict[int, tuple[later.Later, envelopes.Request]] = {}  # by stream
        accepted.setblocking(False)
        events.watch(accepted.fileno(), loop.IN, self._ready)

    @property
    def idle(self) -> bool:
        waits = all(asked.method == _WAIT for _, asked in self._pending.values())
        return waits and not self._unsent and self._protocol.idle

    def state(self) -> dict[str, Any]:
        waits = [(stream, asked.service, asked.payload.hex()) for stream, (_, asked) in self._pending.items()]
        return {"socket": self._socket.fileno(), "last": self._protocol.last, "waits": waits}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with a connection of others; who waits, waits anew."""
        self._protocol.restore(state["last"], [stream for stream, _, _ in state["waits"]])
        for stream, service, payload in state["waits"]:
            asked = envelopes.Request(service=service, method=_WAIT, payload=bytes.fromhex(payload))
            self._answer(server.Request(stream=stream, envelope=asked, closed=True))
        self._flush_or_close()

    def close(self) -> None:
        """Send what the socket takes, and part."""
        if self._socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._socket.send(self._unsent, socket.MSG_NOSIGNAL)
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
            for pending, _ in self._pending.values():
                pending.abandoned = True
            self._gone(self)

    def _ready(self, _events: int) -> None:
        try:
            if self._unsent:
                self._flush()
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self.close()
            return
        for event in self._protocol.receive(data):
            if isinstance(event, server.Request):
                self._answer(event)
            # No method of ours streams, so further data belongs to nothing.
        self._flush_or_close()

    def _answer(self, request: server.Request) -> None:
        stream = request.stream
        try:
            answer = self._handle(request)
        except Exception as error:
            self._protocol.fail(stream, wire_errors.to_status(error))
            return
        if isinstance(answer, bytes):
            self._protocol.respond(stream, answer)
            return
        pending, encode = answer
        self._pending[stream] = (pending, request.envelope)

        def decided(message: Any, error: Exception | None) -> None:
            self._pending.pop(stream, None)
            if error is not None:
                self._protocol.fail(stream, wire_errors.to_status(error))
            else:
                self._protocol.respond(stream, encode(message))
            self._flush_or_close()

        pending.then(decided)

    def _flush_or_close(self) -> None:
        if self._socket.fileno() < 0:
            return
        try:
            self._flush()
        except OSError:
            self.close()

    def _flush(self) -> None:
        self._unsent += self._protocol.take()
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent, socket.MSG_NOSIGNAL) :]
        if len(self._unsent) > UNSENT_LIMIT:
            journal.warning(f"a client left {len(self._unsent)} bytes unread and is let go")
            self.close()
            return
        wanted = loop.IN | loop.OUT if self._unsent else loop.IN
        self._loop.watch(self._socket.fileno(), wanted, self._ready)


def listen(path: str) -> socket.socket:
    """A listening socket at `path` that only our user may connect to. Raises OSError (EADDRINUSE)."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before bind, so that there is no moment of other modes
        listener.bind(path)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener
