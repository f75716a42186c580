"""One connection of a server: what arrives is dispatched, and whoever has something to send sends it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from boxship.rpc import calls, exchanges, readers, running, timers, wires

_log = logging.getLogger(__name__)
_BACKLOG_LIMIT = 32 << 20  # bytes which the socket does not take, beyond what flow control already holds back
_GREETING = 30.0  # seconds until a new connection must have said something sensible
_BATCH = 8  # answers of quick handlers which go out together when their calls came together
_LINGER = 1.0  # seconds in which a client that broke the protocol may read why
_READS = 8  # buffers read from one connection before the others' turn


class Link:
    """See `running.Link` and `readers.Source`. `closed` is called once, when the connection is over."""

    def __init__(
        self,
        wire: wires.Wire,
        session: exchanges.Session,
        *,
        shop: running.Workshop,
        source: readers.Readers,
        closed: Callable[[Link], None],
    ) -> None:
        self.lock = threading.Lock()
        self.shop = shop
        self.peer: calls.Peer | None = wire.peer()
        self._wire = wire
        self._session = session
        self._readers = source
        self._closed = closed
        self._lost = False
        self._ended = False
        self._leaving = False  # the protocol is broken: nothing is read any more, and what is prepared still goes out
        self._drained: list[exchanges.Exchange] = []
        self._gate = threading.Lock()  # held by the thread that reads
        self._events = 0  # which have come and have not been looked at
        self._greeting: timers.Timer | None = None

    def start(self) -> None:
        self._greeting = self.shop.clock.add(time.monotonic() + _GREETING, self.close)
        with self.lock:
            self.flush()
        self._readers.add(self._wire.fileno(), self)

    # -- the thread that reads --

    def ready(self, events: int) -> None:
        """Something has come. If another thread is still reading here, it goes on."""
        self._events |= events
        while self._events and self._gate.acquire(blocking=False):
            try:
                events, self._events = self._events, 0
                if not self._ended:
                    self._look(events)
            except OSError:
                self._end()  # the peer left, which is its right
            except BaseException:
                self._end()
                raise
            finally:
                self._gate.release()

    def _look(self, events: int) -> None:
        if events & readers.WRITABLE:
            self._writable()
        wire, gone = self._wire, events & readers.GONE
        for _ in range(_READS):
            data = wire.poll()
            if data is None:
                return
            if not data:
                break
            self._take(data)
            if self._lost:
                break
            if len(data) < wires.READ_SIZE and not gone:
                return
        else:
            self._readers.again(wire.fileno(), events)
            return
        self._end()

    def _take(self, data: bytes) -> None:
        if self._leaving:
            return
        with self.lock:
            events = self._session.receive(self._wire.decode(data), time.monotonic())
        if self._greeting is not None:
            self._greet()
        count = 0
        for event in events:
            if isinstance(event, exchanges.Whole):
                running.whole(self, event.exchange, event.message)
                count += 1
                if count % _BATCH == 0:
                    with self.lock:
                        self.flush()
            else:
                self._event(event)
        with self.lock:
            self.flush()
            drained, self._drained = self._drained, []
        if drained:
            self._notify(drained)

    def _greet(self) -> None:
        """The client has said something: what it was, the session judges."""
        if self._greeting is not None and self._session.greeted:
            self._greeting.cancel()
            self._greeting = None

    def _event(self, event: exchanges.Event) -> None:
        if isinstance(event, exchanges.Broken):
            self._leave(event.reason)
            return
        exchange = event.exchange
        if isinstance(event, exchanges.Begun):
            self._begin(exchange)
            return
        run: running.Running | None = exchange.context
        if run is None:
            return
        if isinstance(event, exchanges.Gone):
            run.cancel()
            return
        if isinstance(event, exchanges.Ended):
            run.ended = True
        self._notify([exchange])

    def _leave(self, reason: str) -> None:
        """Let the client read its GOAWAY. Closing at once would take it back where its own data is unread (RFC 9113 5.4.1)."""
        _log.info("a client broke the protocol: %s", reason)
        with self.lock:
            self._leaving = True
            left = self._session.open_exchanges
            self.flush()
            self._shut_when_sent()
        self._greeting = self.shop.clock.add(time.monotonic() + _LINGER, self.close)
        for exchange in left:
            if exchange.context is not None:
                exchange.context.cancel()

    def _shut_when_sent(self) -> None:
        if self._leaving and not self._wire.backlog:
            self._wire.end()

    def _begin(self, exchange: exchanges.Exchange) -> None:
        head = exchange.head
        deadline = None if head.timeout is None else time.monotonic() + head.timeout
        call = calls.Call(metadata=head.metadata, deadline=deadline, peer=self.peer)
        run = running.Running(self, exchange, head.route, call)
        run.submit(run.converse, long=True)

    def _notify(self, changed: list[exchanges.Exchange]) -> None:
        runs: list[running.Running] = [exchange.context for exchange in changed if exchange.context is not None]
        with self.lock:
            for run in runs:
                run.notify()
        for run in runs:
            run.after_notify()

    def _end(self) -> None:
        with self.lock:
            if self._ended:
                return
            self._lost = self._ended = True
            self._readers.remove(self._wire.fileno())
            left = self._session.open_exchanges
            self._wire.shut()
            self._wire.close()
        if self._greeting is not None:
            self._greeting.cancel()
        for exchange in left:
            if exchange.context is not None:
                exchange.context.cancel()
        self._closed(self)

    # -- any thread --

    def flush(self) -> None:
        """Send what is prepared; under the lock. What the socket does not take goes when it has room."""
        session = self._session
        try:
            while (data := session.take()) and not self._lost:
                if not self._wire.send(data):
                    self._hold()
                    return
                if not session.waiting:
                    return
                self._drained += session.resume()
        except OSError:
            self._abort()

    def _hold(self) -> None:
        self._session.hold()
        if self._wire.backlog > _BACKLOG_LIMIT:
            _log.warning("a client does not read what it asks for; its connection is closed")
            self._abort()
            return
        self._readers.want_room(self._wire.fileno(), wanted=True)

    def _writable(self) -> None:
        """The socket takes data again."""
        with self.lock:
            if self._lost or not self._wire.flush():
                return
            self._readers.want_room(self._wire.fileno(), wanted=False)
            self._drained += self._session.resume()
            self.flush()
            self._shut_when_sent()
            drained, self._drained = self._drained, []
        self._notify(drained)

    def _abort(self) -> None:
        self._lost = True
        self._wire.shut()

    # -- the server --

    @property
    def busy(self) -> bool:
        """Whether a call is being worked on; those that wait for somebody else may do so for ever."""
        with self.lock:
            return any(
                exchange.context is None or not exchange.context.idle for exchange in self._session.open_exchanges
            )

    def go_away(self) -> None:
        """Tell the client to take its next calls elsewhere."""
        with self.lock:
            if not self._lost:
                self._session.go_away()
                self.flush()

    def close(self) -> None:
        with self.lock:
            self._abort()
