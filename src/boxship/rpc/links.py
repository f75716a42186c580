"""One connection of a server: a thread that reads it and dispatches, and whoever has something to send."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from boxship.rpc import calls, exchanges, poller, running, wires

_log = logging.getLogger(__name__)
_BACKLOG_LIMIT = 32 << 20  # bytes which the socket does not take, beyond what flow control already holds back
_GREETING = 30.0  # seconds until a new connection must have said something
_BATCH = 8  # answers of quick handlers which go out together when their calls came together


class Link:
    """See `running.Link`. `closed` is called once, when the connection is over."""

    def __init__(
        self,
        wire: wires.Wire,
        session: exchanges.Session,
        *,
        shop: running.Workshop,
        watcher: poller.Poller,
        closed: Callable[[Link], None],
    ) -> None:
        self.lock = threading.Lock()
        self.shop = shop
        self.peer: calls.Peer | None = None
        self._wire = wire
        self._session = session
        self._watcher = watcher
        self._closed = closed
        self._lost = False
        self._drained: list[exchanges.Exchange] = []

    # -- the thread that reads --

    def run(self) -> None:
        """Read until the connection is over."""
        try:
            self._start()
            self._read()
        except OSError:
            pass  # the peer left, which is its right
        except Exception:
            _log.exception("a connection failed")
        finally:
            self._end()

    def _start(self) -> None:
        wire = self._wire
        wire.limit_wait(_GREETING)
        if isinstance(wire, wires.TlsWire):
            wire.shake_hands()
        self.peer = wire.peer()
        with self.lock:
            self.flush()
        self._take(wire.receive())
        wire.limit_wait(0)

    def _read(self) -> None:
        receive, take = self._wire.receive, self._take
        while not self._lost:
            data = receive()
            if not data:
                return
            take(data)

    def _take(self, data: bytes) -> None:
        with self.lock:
            events = self._session.receive(self._wire.decode(data), time.monotonic())
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

    def _event(self, event: exchanges.Event) -> None:
        if isinstance(event, exchanges.Broken):
            _log.info("a client broke the protocol: %s", event.reason)
            with self.lock:
                self.flush()
            self._lost = True
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
        self._watcher.forget(self._wire.fileno())
        with self.lock:
            self._lost = True
            left = self._session.open_exchanges
            self._wire.shut()
            self._wire.close()
        for exchange in left:
            if exchange.context is not None:
                exchange.context.cancel()
        self._closed(self)

    # -- any thread --

    def flush(self) -> None:
        """Send what is prepared; under the lock. What the socket does not take, the watcher sends later."""
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
        self._watcher.watch(self._wire.fileno(), poller.WRITABLE, self._writable)

    def _writable(self) -> None:
        """The watcher's callback: the socket takes data again."""
        with self.lock:
            if self._lost:
                return
            try:
                if not self._wire.flush():
                    self._watcher.watch(self._wire.fileno(), poller.WRITABLE, self._writable)
                    return
            except OSError:
                self._abort()
                return
            self._drained += self._session.resume()
            self.flush()
            drained, self._drained = self._drained, []
        self._notify(drained)

    def _abort(self) -> None:
        self._lost = True
        self._wire.shut()

    # -- the server --

    @property
    def busy(self) -> bool:
        with self.lock:
            return bool(self._session.open_exchanges)

    def go_away(self) -> None:
        """Tell the client to take its next calls elsewhere."""
        with self.lock:
            if not self._lost:
                self._session.go_away()
                self.flush()

    def close(self) -> None:
        with self.lock:
            self._abort()
