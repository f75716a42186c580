"""Running a call: the handler is called, and what it returns (a value, a Future, an iterator, a Feed) is sent.

Nothing here waits in the thread that reads the connection, but a quick handler's own work.
"""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from boxship.rpc import calls, exchanges, feeding, methods, pool, status, timers

_log = logging.getLogger(__name__)
_Code = status.Code
_EXPIRED = "context deadline exceeded"  # Go's words, which clients compare


class Route:
    """A handler, taken apart for speed."""

    __slots__ = ("decode", "encode", "function", "quick", "streams_requests", "streams_responses")

    def __init__(self, handler: methods.Handler) -> None:
        self.function = handler.function
        self.decode = handler.method.decode_request
        self.encode = handler.method.encode_response
        self.streams_requests = handler.method.streams_requests
        self.streams_responses = handler.method.streams_responses
        self.quick = handler.quick and not handler.method.streams_requests


class Workshop:
    """What all connections of a server share."""

    def __init__(
        self, *, translate: Callable[[BaseException], status.Status], threads: pool.Pool, clock: timers.Timers
    ) -> None:
        self._translate = translate
        self.threads = threads
        self.clock = clock

    def translate(self, failure: BaseException) -> status.Status:
        if isinstance(failure, status.Status):
            return failure
        try:
            return self._translate(failure)
        except Exception:
            _log.exception("an error could not be translated")
            return status.Status(_Code.UNKNOWN, "internal error")


class Link(Protocol):
    """The connection, as far as a call has to know it."""

    lock: threading.Lock
    shop: Workshop
    peer: calls.Peer | None

    def flush(self) -> None:
        """Send what is prepared. Under the lock."""


def whole(link: Link, exchange: exchanges.Exchange, message: bytes) -> None:
    """A call with its only request, in the thread that reads."""
    head = exchange.head
    route: Route = head.route
    timeout = head.timeout
    deadline = None if timeout is None else time.monotonic() + timeout
    call = calls.Call(metadata=head.metadata, deadline=deadline, peer=link.peer)
    if not route.quick:
        running = Running(link, exchange, route, call)
        running.submit(lambda: running.answer(message), long=False)
        return
    try:
        result = route.function(_decoded(route, message), call)
        if not route.streams_responses and not isinstance(result, concurrent.futures.Future):
            answer = route.encode(result)
            if deadline is not None and time.monotonic() > deadline:
                raise status.Status(_Code.DEADLINE_EXCEEDED, _EXPIRED)
            with link.lock:
                _dress(exchange, call)
                exchange.reply(answer)
            call.settle()
            return
        if isinstance(result, list):
            _send_all(link, exchange, call, [route.encode(answer) for answer in result])
            return
    except BaseException as failure:
        _finish(link, exchange, call, link.shop.translate(failure))
        return
    Running(link, exchange, route, call).deliver(result)


def _send_all(link: Link, exchange: exchanges.Exchange, call: calls.Call, answers: list[bytes]) -> None:
    """A stream of answers that are all there already: out they go, at once when there is one."""
    with link.lock:
        _dress(exchange, call)
        if len(answers) == 1:
            exchange.reply(answers[0])
        else:
            for answer in answers:
                exchange.send(answer)
            exchange.finish(None)
    call.settle()


def _decoded(route: Route, message: bytes) -> Any:
    try:
        return route.decode(message)
    except Exception as failure:
        raise status.Status(_Code.INTERNAL, f"grpc: error unmarshalling request: {failure}") from None


def _dress(exchange: exchanges.Exchange, call: calls.Call) -> None:
    if call.initial_metadata is not None:
        exchange.initial = call.initial_metadata
    if call.trailing_metadata is not None:
        exchange.trailing = call.trailing_metadata


def _finish(link: Link, exchange: exchanges.Exchange, call: calls.Call, ending: status.Status | None) -> None:
    with link.lock:
        _dress(exchange, call)
        try:
            exchange.finish(ending)
        except ValueError as fault:  # the handler's metadata cannot be sent
            exchange.initial = exchange.trailing = None
            exchange.finish(status.Status(_Code.INTERNAL, str(fault)))
        link.flush()
    call.settle()


class Running:
    """A call which does not end in the thread that reads the connection."""

    __slots__ = ("_changed", "_feed", "_link", "_route", "_timer", "call", "ended", "exchange", "idle")

    def __init__(self, link: Link, exchange: exchanges.Exchange, route: Route, call: calls.Call) -> None:
        self.exchange = exchange
        self.call = call
        self.ended = False  # the client sends no more requests
        self.idle = False  # it waits for somebody else, perhaps for ever
        self._link = link
        self._route = route
        self._feed: feeding.Pump | None = None
        self._changed: threading.Condition | None = None  # made when somebody waits
        self._timer: timers.Timer | None = None
        exchange.context = self
        if call.deadline is not None:
            self._timer = link.shop.clock.add(call.deadline, self._expire)

    @property
    def lock(self) -> threading.Lock:
        """The connection's."""
        return self._link.lock

    @property
    def threads(self) -> pool.Pool:
        return self._link.shop.threads

    def submit(self, task: Callable[[], None], *, long: bool) -> None:
        try:
            self._link.shop.threads.submit(task, long=long)
        except pool.Full:
            self.finish(status.Status(_Code.RESOURCE_EXHAUSTED, "the server is busy: too many calls wait for a thread"))

    # -- in a thread of the pool --

    def answer(self, message: bytes) -> None:
        """A call with its only request."""
        if self.call.canceled:
            return
        try:
            result = self._route.function(_decoded(self._route, message), self.call)
        except BaseException as failure:
            self.fail(failure)
            return
        self.deliver(result, here=True)

    def converse(self) -> None:
        """A call that streams its requests."""
        try:
            result = self._route.function(_Requests(self), self.call)
        except BaseException as failure:
            self.fail(failure)
            return
        self.deliver(result, here=True)

    def deliver(self, result: Any, *, here: bool = False) -> None:
        """Send what the handler returned; `here`: this thread may wait."""
        if isinstance(result, concurrent.futures.Future):
            self.idle = True
            result.add_done_callback(self._done)
        elif not self._route.streams_responses:
            self._reply(result)
        elif hasattr(result, "on_ready"):
            self.idle = True
            self._feed = feeding.Pump(self, result)
            self._feed.start()
        elif here:
            self._iterate(result)
        else:
            self.submit(lambda: self._iterate(result), long=True)

    def _iterate(self, answers: Any) -> None:
        try:
            for answer in answers:
                if not self._send_and_wait(self._route.encode(answer)):
                    return
            self.finish(None)
        except BaseException as failure:
            self.fail(failure)
        finally:
            close = getattr(answers, "close", None)
            if close is not None:
                feeding.guarded(close)

    def _send_and_wait(self, data: bytes) -> bool:
        """Send one answer and wait until the client reads; False when the call is over."""
        with self._link.lock:
            if not self.send(data):
                return False
            while self.exchange.blocked and not self.call.canceled and self.exchange.open:
                self._wait()
            return not self.call.canceled

    # -- anywhere --

    def send(self, data: bytes) -> bool:
        """Send one of several answers; False when the call is over. Under the lock."""
        if self.call.canceled or not self.exchange.open:
            return False
        _dress(self.exchange, self.call)
        self.exchange.send(data)
        self._link.flush()
        return True

    def encode(self, answer: Any) -> bytes:
        return self._route.encode(answer)

    def _done(self, future: concurrent.futures.Future[Any]) -> None:
        if self.call.canceled:
            return
        if future.cancelled():
            self.finish(status.Status(_Code.CANCELLED, "context canceled"))
        elif (failure := future.exception()) is not None:
            self.fail(failure)
        else:
            self._reply(future.result())

    def _reply(self, result: Any) -> None:
        try:
            data = self._route.encode(result)
            with self._link.lock:
                _dress(self.exchange, self.call)
                self.exchange.reply(data)
                self._link.flush()
        except BaseException as failure:
            self.fail(failure)
            return
        self._settle()

    def fail(self, failure: BaseException) -> None:
        self.finish(self._link.shop.translate(failure))

    def finish(self, ending: status.Status | None) -> None:
        _finish(self._link, self.exchange, self.call, ending)
        self._settle()

    def _settle(self) -> None:
        self.call.settle()
        if self._timer is not None:
            self._timer.cancel()

    # -- what happens to the call --

    def notify(self) -> None:
        """Requests have come, or answers have gone. Under the lock."""
        self._wake()
        if self._feed is not None:
            self._feed.pending = True

    def after_notify(self) -> None:
        """The rest of `notify`, without the lock."""
        if self._feed is not None and self._feed.pending:
            self._feed.pending = False
            self._feed.ready()

    def cancel(self) -> None:
        """The client is gone, or time is up."""
        for failure in self.call.cancel():
            _log.error("a callback for a canceled call failed", exc_info=failure)
        if self._timer is not None:
            self._timer.cancel()
        with self._link.lock:
            self._wake()
        if self._feed is not None:
            self._feed.stop()

    def _expire(self) -> None:
        with self._link.lock:
            if not self.exchange.open:
                return
            self.exchange.finish(status.Status(_Code.DEADLINE_EXCEEDED, _EXPIRED))
            self._link.flush()
        self.cancel()

    def next_message(self) -> bytes | None:
        """Wait for the next request; None when the client sends no more. Raises Status when the call is over."""
        with self._link.lock:
            while True:
                queue = self.exchange.queue
                if queue:
                    message = queue.popleft()
                    if not queue:
                        self.exchange.taken()
                        self._link.flush()
                    return message
                if self.call.canceled or not self.exchange.open:
                    raise status.Status(_Code.CANCELLED, "context canceled")
                if self.ended:
                    return None
                self._wait()

    def _wait(self) -> None:
        """Until something happens to the call. Under the lock."""
        if self._changed is None:
            self._changed = threading.Condition(self._link.lock)
        self._changed.wait()

    def _wake(self) -> None:
        """Under the lock."""
        if self._changed is not None:
            self._changed.notify_all()

    def decode(self, message: bytes) -> Any:
        return _decoded(self._route, message)


class _Requests(Iterator[Any]):
    """The requests of a call, for its handler. Raises Status CANCELLED when the client goes before it is done."""

    __slots__ = ("_running",)

    def __init__(self, running: Running) -> None:
        self._running = running

    def __next__(self) -> Any:
        message = self._running.next_message()
        if message is None:
            raise StopIteration
        return self._running.decode(message)
