"""A client's connection that many threads share, without a thread of its own.

Whoever waits for an answer and finds nobody reading reads himself, for all: he leads, the others follow, and when his
answer has come he hands over to one of them. So a caller who is alone sends, receives, and never changes threads.
What nobody waits for (futures, the news that the connection is gone) is read by one poller for all connections.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from boxship.rpc import poller, results, status, wires

_Code = status.Code
Status = status.Status
_E = TypeVar("_E", bound=results.Exchange)


class Port:
    """See the module. `lock` guards the session; every method without "Under the lock" takes it."""

    def __init__(self, wire: wires.Wire, session: results.Session) -> None:
        self.lock = threading.Lock()
        self._wire = wire
        self._session = session
        self._leading = False
        self._followers: dict[threading.Lock, results.Exchange | None] = {}
        self._watched = False
        self._armed = False  # the poller looks after it now
        self._known = False  # the poller has ever done so
        self._closed = False
        self._lost: Status | None = None
        self._on_close: list[Callable[[], None]] = []
        self._wake = -1
        self._poll: select.poll | None = None

    # -- calls --

    def begin(self, start: Callable[[], _E], deadline: float | None) -> _E:
        """Start a call, as soon as the server allows one more. Raises Status."""
        while True:
            with self.lock:
                if self._session.available:
                    exchange = start()
                    self.flush()
                    return exchange
            self.wait(None, self._has_room, deadline)

    def _has_room(self) -> bool:
        return self._session.available

    def wait(self, exchange: results.Exchange | None, ready: Callable[[], bool], deadline: float | None = None) -> None:
        """Wait until `ready()`, which is asked under the lock, for a call or (None) for room to start one.

        Raises:
            Status: DEADLINE_EXCEEDED; for None also what ended the connection.
        """
        while True:
            with self.lock:
                if ready():
                    self._pass_on()
                    return
                if exchange is None and self._lost is not None:
                    raise Status(self._lost.code, self._lost.message)
                leads = not self._leading
                if leads:
                    self._lead()
                else:
                    turn = self._enlist(exchange)
            if leads:
                self._read(ready, deadline, interruptible=True)
            else:
                self._follow(turn, exchange, deadline)

    def finish(self, exchange: results.Exchange, deadline: float | None) -> None:
        """Wait until the call has ended, the fast way. Raises Status DEADLINE_EXCEEDED."""
        lock = self.lock
        while True:
            with lock:
                if exchange.status is not None:
                    self._pass_on()
                    return
                leads = not self._leading
                if leads:
                    self._lead()
                else:
                    turn = self._enlist(exchange)
            if leads:
                self._read(lambda: exchange.status is not None, deadline, interruptible=False)
            else:
                self._follow(turn, exchange, deadline)

    def cancel(self, exchange: results.Exchange, ending: Status) -> None:
        """End a call from our side; whoever waits for it wakes."""
        with self.lock:
            exchange.cancel(ending)
            self.flush()
            self._release(exchange)
            self._interrupt()

    def watch(self) -> None:
        """From now on read also when nobody waits. Under the lock."""
        if not self._watched:
            self._watched = True
            if not self._leading and self._lost is None:
                self._look_after()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Run the callback once, in any thread, when the connection is gone; at once when it already is."""
        with self.lock:
            if self._lost is None:
                self._on_close.append(callback)
                self.watch()
                return
        callback()

    def flush(self) -> None:
        """Send what is prepared. Under the lock. What the socket does not take, the poller sends when it has room."""
        session, wire = self._session, self._wire
        try:
            while (data := session.take()) and self._lost is None:
                if not wire.send(data):
                    session.hold()
                    self._look_after()
                    return
                if not session.waiting:
                    return
                self._resume()
        except OSError:
            wire.shut()  # whoever reads finds the end

    def close(self) -> None:
        """Every open call ends with CANCELLED."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self._wire.shut()
            leading = self._leading
            if not leading:
                self._lead()
        if not leading:
            self._end(Status(_Code.CANCELLED, "the channel was closed"))

    def _resume(self) -> None:
        """The socket has taken what there was. Under the lock."""
        for exchange in self._session.resume():
            self._release(exchange)
        self._interrupt()

    def _interrupt(self) -> None:
        """Let the leader look whether he is ready. Under the lock."""
        if self._leading and self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    # -- leading --

    def _lead(self) -> None:
        """Under the lock."""
        self._leading = True
        if self._armed:
            self._look_after()

    def _read(self, ready: Callable[[], bool], deadline: float | None, *, interruptible: bool) -> None:
        """Read for all until `ready()`. Raises Status DEADLINE_EXCEEDED."""
        wire, lost = self._wire, False
        try:
            while not lost:
                if interruptible or deadline is not None:
                    if not self._readable(deadline):
                        with self.lock:
                            if ready():
                                return
                        if deadline is not None and time.monotonic() >= deadline:
                            raise Status(_Code.DEADLINE_EXCEEDED, results.EXPIRED)
                        continue
                    data = wire.poll()
                    if data is None:
                        continue
                else:
                    data = wire.receive()
                lost = not data
                if self._took(data, ready):
                    return
        except OSError:
            lost = True
        finally:
            if lost or self._closed:
                self._end(Status(_Code.UNAVAILABLE, "error reading from server: EOF"))
            else:
                self._resign()

    def _took(self, data: bytes, ready: Callable[[], bool]) -> bool:
        """Let everybody have his part of the data; whether we are `ready`."""
        done: list[results.Exchange] = []
        with self.lock:
            for exchange in self._session.receive(self._wire.decode(data), time.monotonic()):
                if exchange.waiters is not None:
                    self._release(exchange)
                if exchange.future is not None and exchange.status is not None:
                    done.append(exchange)
            self.flush()
            if None in self._followers.values() and self._session.available:
                self._release(None)
            result = ready()
        for exchange in done:
            results.fulfil(exchange)
        return result

    def _readable(self, deadline: float | None) -> bool:
        """Wait for data, for `cancel`, or for the deadline; whether there is data."""
        if self._poll is None:
            self._poll = select.poll()
            self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._poll.register(self._wake, select.POLLIN)
            self._poll.register(self._wire.fileno(), select.POLLIN)
        rest = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        readable = False
        for ready, _ in self._poll.poll(rest):
            if ready == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            else:
                readable = True
        return readable

    def _resign(self) -> None:
        with self.lock:
            if not self._closed:
                self._leading = False
                if self._followers:
                    self._pass_on()
                elif self._watched:
                    self._look_after()
                return
        # Since we looked, somebody has closed it and left the end to us.
        self._end(Status(_Code.CANCELLED, "the channel was closed"))

    def _pass_on(self) -> None:
        """See to it that somebody leads while somebody follows. Under the lock."""
        if self._followers and not self._leading:
            turn = next(iter(self._followers))
            del self._followers[turn]
            turn.release()

    def _end(self, ending: Status) -> None:
        """The connection is gone. The leader's last act."""
        with self.lock:
            if self._lost is not None:
                self._leading = False
                return
            if self._closed:
                ending = Status(_Code.CANCELLED, "the channel was closed")
            self._lost = ending
            touched = list(self._session.lose(ending))
            self._leading = False
            for turn in list(self._followers):
                turn.release()
            self._followers.clear()
            callbacks, self._on_close = self._on_close, []
            self._dispose()
        for exchange in touched:
            if exchange.future is not None:
                results.fulfil(exchange)
        for callback in callbacks:
            callback()

    def _dispose(self) -> None:
        if self._known:
            poller.shared().forget(self._wire.fileno())
        self._wire.shut()
        self._wire.close()
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    # -- following --

    def _enlist(self, exchange: results.Exchange | None) -> threading.Lock:
        turn = threading.Lock()
        turn.acquire()
        self._followers[turn] = exchange
        if exchange is not None:
            exchange.waiters = (*(exchange.waiters or ()), turn)
        return turn

    def _follow(self, turn: threading.Lock, exchange: results.Exchange | None, deadline: float | None) -> None:
        """Wait for our turn: something has come, or we are to lead."""
        rest = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        came = False
        try:
            came = turn.acquire(timeout=min(rest, threading.TIMEOUT_MAX))
        finally:
            if not came:
                self._give_up(turn, exchange)
        if not came:
            raise Status(_Code.DEADLINE_EXCEEDED, results.EXPIRED)

    def _give_up(self, turn: threading.Lock, exchange: results.Exchange | None) -> None:
        with self.lock:
            if exchange is not None and exchange.waiters:
                exchange.waiters = tuple(one for one in exchange.waiters if one is not turn) or None
            if self._followers.pop(turn, None) is None:
                self._pass_on()  # our turn came while we gave up: let the next one have it

    def _release(self, exchange: results.Exchange | None) -> None:
        """Wake who waits for this. Under the lock."""
        if exchange is None:
            turns = [turn for turn, waits_for in self._followers.items() if waits_for is None]
        else:
            turns, exchange.waiters = list(exchange.waiters or ()), None
        for turn in turns:
            if turn in self._followers:
                del self._followers[turn]
                turn.release()

    # -- nobody waits --

    def _look_after(self) -> None:
        """Let the poller do what no thread of a caller does now. Under the lock."""
        events = poller.WRITABLE if self._wire.backlog else 0
        if self._watched and not self._leading:
            events |= poller.READABLE
        if events:
            poller.shared().watch(self._wire.fileno(), events, self._in_background)
        elif self._armed:
            poller.shared().pause(self._wire.fileno())
        self._armed = bool(events)
        self._known = self._known or self._armed

    def _in_background(self) -> None:
        with self.lock:
            if self._lost is not None:
                return
            try:
                if self._wire.backlog and self._wire.flush():
                    self._resume()
                    self.flush()
            except OSError:
                self._wire.shut()  # whoever reads finds the end
            if self._leading or not self._watched:
                self._look_after()
                return
            self._leading = True
        lost = False
        try:
            data = self._wire.poll()
            if data is not None:
                lost = not data
                self._took(data, lambda: True)
        except OSError:
            lost = True
        finally:
            if lost or self._closed:
                self._end(Status(_Code.UNAVAILABLE, "error reading from server: EOF"))
            else:
                self._resign()
