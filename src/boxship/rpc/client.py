"""Clients for threads: `Channel` speaks gRPC, `TtrpcChannel` ttrpc. Many threads may share one.

with Channel.connect("unix:///run/boxship/boxship.sock") as channel:
    answer = channel.call(VERSION, request, timeout=5.0)
    with channel.stream(SUBSCRIBE, request) as events:
        for event in events: ...
"""

from __future__ import annotations

import concurrent.futures
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from boxship.rpc import calls, methods, ports, results, status, wires
from boxship.rpc.grpc import client as grpc
from boxship.rpc.grpc import fields
from boxship.rpc.ttrpc import calling as ttrpc

if TYPE_CHECKING:
    import ssl

Metadata = Mapping[str, str | bytes]
_NONE: Metadata = {}
_Code = status.Code
_CANCELED = "context canceled"  # Go's words


class Stream:
    """A call with several requests, several answers, or both. Iterating gives the answers.

    One thread may send while another iterates; `cancel` may come from any. Leaving the `with` block cancels what has
    not ended.
    """

    def __init__(self, port: ports.Port, exchange: Any, method: methods.Method, deadline: float | None) -> None:
        self._port = port
        self._exchange = exchange
        self._method = method
        self._deadline = deadline

    def send(self, request: Any) -> bool:
        """Send one request; waits while the server takes no more.

        Whether the call goes on: how it ended is told by iterating, behind the answers that came before the end.

        Raises:
            Status: RESOURCE_EXHAUSTED for a request that is too long, DEADLINE_EXCEEDED.
        """
        data, exchange = self._method.encode_request(request), self._exchange
        with self._port.lock:
            if exchange.status is None:
                exchange.send(data)
                self._port.flush()
        self._wait(lambda: exchange.status is not None or not exchange.blocked)
        return exchange.status is None

    def done_sending(self) -> None:
        """No more requests."""
        with self._port.lock:
            if self._exchange.status is None:
                self._exchange.end()
                self._port.flush()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Raises Status when the call ended otherwise than well."""
        exchange = self._exchange
        self._wait(lambda: bool(exchange.messages) or exchange.status is not None)
        with self._port.lock:
            if exchange.messages:
                message = exchange.pop()
                self._port.flush()
            else:
                message = None
        if message is not None:
            return self._method.decode_response(message)
        if exchange.status.code is not _Code.OK:
            raise results.failure_of(exchange.status)
        raise StopIteration

    @property
    def initial_metadata(self) -> calls.Metadata:
        """What the server sent before its first answer; waits for it. Raises Status when the call failed before."""
        exchange = self._exchange
        self._wait(lambda: exchange.initial is not None or exchange.status is not None)
        return exchange.initial or {}

    @property
    def trailing_metadata(self) -> calls.Metadata:
        """What the server sent with the status; nothing before the call has ended."""
        return self._exchange.trailing or {}

    def cancel(self) -> None:
        """End the call; whoever waits for it gets Status CANCELLED."""
        self._port.cancel(self._exchange, status.Status(_Code.CANCELLED, _CANCELED))

    close = cancel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def _wait(self, ready: Callable[[], bool]) -> None:
        try:
            self._port.wait(self._exchange, ready, self._deadline)
        except status.Status as expired:
            self._port.cancel(self._exchange, expired)
            raise


class _Channel:
    def __init__(self, wire: wires.Wire, session: Any) -> None:
        self._session = session
        self._port = ports.Port(wire, session)

    def on_close(self, callback: Callable[[], None]) -> None:
        """Run the callback once, in any thread, when the connection is gone; at once when it already is."""
        self._port.on_close(callback)

    def close(self) -> None:
        """Every open call ends with Status CANCELLED."""
        self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(
        self, method: methods.Method, message: bytes | None, metadata: Metadata, timeout: float | None
    ) -> Callable[[], Any]:
        raise NotImplementedError

    def call(
        self, method: methods.Method, request: Any, *, metadata: Metadata = _NONE, timeout: float | None = None
    ) -> Any:
        """One request, one answer.

        Args:
            method: what to call.
            request: its message.
            metadata: values for the server; bytes for keys that end in "-bin".
            timeout: seconds, which the server is told as well.

        Raises:
            status.Status: the call did not end well; UNAVAILABLE when the connection is gone.
        """
        start = self._begin(method, method.encode_request(request), metadata, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        port = self._port
        exchange = port.begin(start, deadline)
        try:
            port.finish(exchange, deadline)
        except BaseException as failure:
            ended = failure if isinstance(failure, status.Status) else status.Status(_Code.CANCELLED, _CANCELED)
            port.cancel(exchange, ended)
            raise
        return method.decode_response(results.result_of(exchange))

    def call_async(
        self, method: methods.Method, request: Any, *, metadata: Metadata = _NONE, timeout: float | None = None
    ) -> concurrent.futures.Future[Any]:
        """The same without waiting. Callbacks of the future run in a thread that reads: they must not wait.

        `timeout` is told to the server, which enforces it. Canceling the future does not cancel the call.
        """
        start = self._begin(method, method.encode_request(request), metadata, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        raw: concurrent.futures.Future[bytes] = concurrent.futures.Future()
        result: concurrent.futures.Future[Any] = concurrent.futures.Future()
        raw.add_done_callback(lambda done: _translate(done, result, method))

        def begin() -> Any:
            exchange = start()
            exchange.future = raw
            self._port.watch()
            return exchange

        self._port.begin(begin, deadline)
        return result

    def stream(
        self,
        method: methods.Method,
        request: Any = None,
        *,
        metadata: Metadata = _NONE,
        timeout: float | None = None,
    ) -> Stream:
        """A call that streams. `request` is the only request of a method that streams answers alone. Raises Status."""
        message = None if method.streams_requests else method.encode_request(request)
        deadline = None if timeout is None else time.monotonic() + timeout
        exchange = self._port.begin(self._begin(method, message, metadata, timeout), deadline)
        return Stream(self._port, exchange, method, deadline)


def _translate(
    raw: concurrent.futures.Future[bytes], result: concurrent.futures.Future[Any], method: methods.Method
) -> None:
    if not result.set_running_or_notify_cancel():
        return
    try:
        result.set_result(method.decode_response(raw.result()))
    except Exception as failure:
        result.set_exception(failure)


class Channel(_Channel):
    """gRPC over one connection."""

    def __init__(self, connection: socket.socket) -> None:
        """Speak over a connected socket, such as an end of a socketpair."""
        self._open(wires.Wire(connection), "localhost", secure=False)

    @classmethod
    def connect(
        cls, address: str, *, timeout: float | None = None, tls: ssl.SSLContext | None = None, server_name: str = ""
    ) -> Channel:
        """Connect to "unix:///path", "/path" or "tcp://host:port", within `timeout` seconds.

        With `tls` the server's name is checked against its certificate: `server_name`, or the address's host.

        Raises:
            OSError: nobody listens there, or (ssl.SSLError) TLS failed.
            ValueError: the address is none of these.
        """
        connection = wires.dial(address, timeout=timeout)
        host = (
            address.rpartition("://")[2].rpartition(":")[0].strip("[]") if address.startswith("tcp:") else "localhost"
        )
        channel = cls.__new__(cls)
        if tls is None:
            channel._open(wires.Wire(connection), host, secure=False)
            return channel
        from boxship.rpc import tls as secured

        tls.set_alpn_protocols(["h2"])
        wire = secured.TlsWire(connection, tls, server_name=server_name or host)
        try:
            wire.limit_wait(timeout or 0)
            wire.shake_hands()
            wire.limit_wait(0)
        except BaseException:
            wire.close()
            raise
        channel._open(wire, server_name or host, secure=True)
        return channel

    def _open(self, wire: wires.Wire, authority: str, *, secure: bool) -> None:
        super().__init__(wire, grpc.Session(authority, secure=secure))

    def _begin(
        self, method: methods.Method, message: bytes | None, metadata: Metadata, timeout: float | None
    ) -> Callable[[], grpc.Exchange]:
        pairs = fields.encode_metadata(metadata) if metadata else []
        deadline = None
        if timeout is not None:
            deadline = time.monotonic() + timeout
            pairs.append((b"grpc-timeout", fields.format_timeout(timeout)))
        session: grpc.Session = self._session
        return lambda: session.start(method.path, pairs, message, deadline)


class TtrpcChannel(_Channel):
    """ttrpc over one connection."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(wires.Wire(connection), ttrpc.Session())

    @classmethod
    def connect(cls, address: str, *, timeout: float | None = None) -> TtrpcChannel:
        """Connect to "unix:///path", "/path" or "tcp://host:port" within `timeout` seconds. Raises OSError, ValueError."""
        return cls(wires.dial(address, timeout=timeout))

    def _begin(
        self, method: methods.Method, message: bytes | None, metadata: Metadata, timeout: float | None
    ) -> Callable[[], ttrpc.Exchange]:
        session: ttrpc.Session = self._session
        listed: dict[str, Iterable[str]] = {
            key: (value.decode() if isinstance(value, bytes) else value,) for key, value in metadata.items()
        }
        return lambda: session.start(method.service, method.name, message, metadata=listed, timeout=timeout)
