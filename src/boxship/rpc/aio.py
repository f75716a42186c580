# ruff: noqa: ASYNC109 - the timeout is part of the call: the server is told
"""gRPC for asyncio: `Channel` and `Stream` as in `client`, awaited.

    channel = await Channel.connect("unix:///run/boxship/boxship.sock")
    answer = await channel.call(VERSION, request, timeout=5.0)
    async with await channel.stream(SUBSCRIBE, request) as events:
        async for event in events: ...

Everything happens in the loop that connected; nothing here is for other threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

from boxship.rpc import calls, methods, results, status
from boxship.rpc.grpc import client as grpc
from boxship.rpc.grpc import fields

Metadata = Mapping[str, str | bytes]
_NONE: Metadata = {}
_Code = status.Code
_CANCELED = "context canceled"


class _Link(asyncio.Protocol):
    """Moves bytes between a transport and a session, and wakes whoever waits."""

    def __init__(self, session: grpc.Session) -> None:
        self.session = session
        self.closing = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._room: set[asyncio.Future[None]] = set()  # those who wait to start a call
        self._over = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.flush()

    def data_received(self, data: bytes) -> None:
        for exchange in self.session.receive(data, self._loop.time()):
            self._wake(exchange)
        self.flush()
        if self._room and self.session.available:
            self._wake_all(self._room)
        if self.session.connection.dead and self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        self.session.hold()

    def resume_writing(self) -> None:
        for exchange in self.session.resume():
            self._wake(exchange)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        ending = status.Status(_Code.UNAVAILABLE, "error reading from server: EOF")
        if self.closing:
            ending = status.Status(_Code.CANCELLED, "the channel was closed")
        for exchange in self.session.lose(ending):
            self._wake(exchange)
        self._wake_all(self._room)
        if not self._over.done():
            self._over.set_result(None)

    def flush(self) -> None:
        if self._transport is None:
            return
        while data := self.session.take():
            self._transport.write(data)
            if not self.session.waiting or self.session.connection.sender.held:
                return
            for exchange in self.session.resume():
                self._wake(exchange)

    async def wait(self, exchange: grpc.Exchange | None, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`, for a call or (None) for room to start one."""
        while not ready():
            turn = self._loop.create_future()
            if exchange is None:
                waiting = self._room
            else:
                exchange.waiters = waiting = exchange.waiters if exchange.waiters is not None else set()
            waiting.add(turn)
            try:
                await turn
            finally:
                waiting.discard(turn)

    async def close(self) -> None:
        self.closing = True
        if self._transport is not None:
            self._transport.abort()
            await self._over

    def _wake(self, exchange: grpc.Exchange) -> None:
        if exchange.waiters:
            self._wake_all(exchange.waiters)

    @staticmethod
    def _wake_all(waiting: set[asyncio.Future[None]]) -> None:
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)


class Stream:
    """A call with several requests, several answers, or both. Leaving `async with` cancels what has not ended."""

    def __init__(self, link: _Link, exchange: grpc.Exchange, method: methods.Method, deadline: float | None) -> None:
        self._link = link
        self._exchange = exchange
        self._method = method
        self._deadline = deadline

    async def send(self, request: Any) -> bool:
        """As client.Stream.send: whether the call goes on; how it ended is told by iterating."""
        exchange = self._exchange
        if exchange.status is None:
            exchange.send(self._method.encode_request(request))
            self._link.flush()
            await self._wait(lambda: exchange.status is not None or not exchange.blocked)
        return exchange.status is None

    async def done_sending(self) -> None:
        """No more requests."""
        if self._exchange.status is None:
            self._exchange.end()
            self._link.flush()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        """Raises Status when the call ended otherwise than well."""
        exchange = self._exchange
        await self._wait(lambda: bool(exchange.messages) or exchange.status is not None)
        if exchange.messages:
            message = exchange.pop()
            self._link.flush()
            return self._method.decode_response(message)
        if exchange.status is None or exchange.status.code is not _Code.OK:
            raise results.failure_of(exchange.status)
        raise StopAsyncIteration

    async def initial_metadata(self) -> calls.Metadata:
        """What the server sent before its first answer; waits for it."""
        exchange = self._exchange
        await self._wait(lambda: exchange.initial is not None or exchange.status is not None)
        return exchange.initial or {}

    @property
    def trailing_metadata(self) -> calls.Metadata:
        """What the server sent with the status; nothing before the call has ended."""
        return self._exchange.trailing or {}

    async def cancel(self) -> None:
        """End the call; whoever waits for it gets Status CANCELLED."""
        self._cancel(status.Status(_Code.CANCELLED, _CANCELED))

    close = cancel

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cancel()

    def _cancel(self, ending: status.Status) -> None:
        self._exchange.cancel(ending)
        self._link.flush()
        self._link._wake(self._exchange)

    async def _wait(self, ready: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._link.wait(self._exchange, ready)
        except TimeoutError:
            expired = status.Status(_Code.DEADLINE_EXCEEDED, results.EXPIRED)
            self._cancel(expired)
            raise expired from None


class Channel:
    """gRPC over one connection."""

    def __init__(self, link: _Link) -> None:
        """For `connect` and `adopt`."""
        self._link = link
        self._session = link.session

    @classmethod
    async def connect(
        cls, address: str, *, timeout: float | None = None, tls: ssl.SSLContext | None = None, server_name: str = ""
    ) -> Self:
        """Connect to "unix:///path", "/path" or "tcp://host:port", within `timeout` seconds.

        Raises:
            OSError: nobody listens there, TLS failed, or (TimeoutError) it took too long.
            ValueError: the address is none of these.
        """
        loop = asyncio.get_running_loop()
        scheme, separator, rest = address.partition("://")
        async with asyncio.timeout(timeout):
            if not separator or scheme == "unix":
                path = rest if separator else address.removeprefix("unix:")
                _, link = await loop.create_unix_connection(lambda: _Link(grpc.Session("localhost")), path)
                return cls(link)
            if scheme != "tcp":
                raise ValueError(f"address {address!r} is neither unix:// nor tcp://")
            host, _, port = rest.rpartition(":")
            host = host.strip("[]")
            name = server_name or host
            if tls is not None:
                tls.set_alpn_protocols(["h2"])
            _, link = await loop.create_connection(
                lambda: _Link(grpc.Session(name, secure=tls is not None)),
                host,
                int(port),
                ssl=tls,
                server_hostname=name if tls is not None else None,
            )
            return cls(link)

    @classmethod
    async def adopt(cls, connection: socket.socket) -> Self:
        """Speak over a connected socket, such as an end of a socketpair."""
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(lambda: _Link(grpc.Session("localhost")), sock=connection)
        return cls(link)

    async def call(
        self, method: methods.Method, request: Any, *, metadata: Metadata = _NONE, timeout: float | None = None
    ) -> Any:
        """One request, one answer; see `client.Channel.call`. Raises Status."""
        deadline = self._deadline(timeout)
        exchange = await self._begin(method, method.encode_request(request), metadata, timeout)
        try:
            async with asyncio.timeout_at(deadline):
                await self._link.wait(exchange, lambda: exchange.status is not None)
        except TimeoutError:
            raise status.Status(_Code.DEADLINE_EXCEEDED, results.EXPIRED) from None
        finally:
            if exchange.status is None:
                exchange.cancel(status.Status(_Code.CANCELLED, _CANCELED))
                self._link.flush()
        return method.decode_response(results.result_of(exchange))

    async def stream(
        self, method: methods.Method, request: Any = None, *, metadata: Metadata = _NONE, timeout: float | None = None
    ) -> Stream:
        """A call that streams; see `client.Channel.stream`. Raises Status."""
        message = None if method.streams_requests else method.encode_request(request)
        deadline = self._deadline(timeout)
        exchange = await self._begin(method, message, metadata, timeout)
        return Stream(self._link, exchange, method, deadline)

    async def close(self) -> None:
        """Every open call ends with Status CANCELLED."""
        await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _begin(
        self, method: methods.Method, message: bytes | None, metadata: Metadata, timeout: float | None
    ) -> grpc.Exchange:
        pairs = fields.encode_metadata(metadata) if metadata else []
        if timeout is not None:
            pairs.append((b"grpc-timeout", fields.format_timeout(timeout)))
        session = self._session
        if not session.available:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._link.wait(None, lambda: session.available or session.lost is not None)
            if not session.available:
                raise status.Status(_Code.DEADLINE_EXCEEDED, results.EXPIRED)
        exchange = session.start(method.path, pairs, message, self._deadline(timeout))
        self._link.flush()
        return exchange

    @staticmethod
    def _deadline(timeout: float | None) -> float | None:
        return None if timeout is None else asyncio.get_running_loop().time() + timeout
