"""A task that has a shim: the way to it, and what happens when the shim is gone."""

import enum
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from boxship.core import tasks
from boxship.plugins.tasks import launching
from boxship.plugins.tasks.bundles import Bundle
from boxship.proxies import shims as proxies
from boxship.terms import errors

_log = logging.getLogger(__name__)
SHUTDOWN_SECONDS = 3.0
CONNECT_SECONDS = 5.0
_UNKNOWN_STATUS = 255
"""Exit status of a task whose end nobody saw, as containerd has it."""


class _Phase(enum.Enum):
    LIVE = 1
    LEAVING = 2  # being deleted: the end of its connection means nothing
    DEAD = 3


class Running:
    """One task and its shim. `died` completes with the exit that stands for the task once its shim was found dead."""

    def __init__(
        self,
        bundle: Bundle,
        launcher: launching.Launcher,
        proxy: proxies.ShimProxy,
        on_death: Callable[["Running"], None],
    ) -> None:
        """`on_death` runs in a thread of its own, once, when the shim is gone without having been told to go."""
        self.bundle, self.launcher = bundle, launcher
        self.died: Future[tasks.Exit] = Future()
        self._proxy, self._on_death = proxy, on_death
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self._phase = _Phase.LIVE
        self.is_gone = False  # its shim was found dead: for the table that it shall be in, under that one's lock
        self._waiting: list[tuple[str, Future[tasks.Exit]]] = []  # until it is known what became of the shim
        proxy.on_close(self._closed)

    @property
    def id(self) -> str:
        return self.bundle.id

    @property
    def namespace(self) -> str:
        return self.bundle.namespace

    @property
    def shim(self) -> proxies.ShimProxy:
        """To call it."""
        return self._proxy

    def wait(self, exec_id: str = "") -> "Future[tasks.Exit]":
        """The process's exit; the task's, when the shim dies before it can tell."""
        result: Future[tasks.Exit] = Future()
        self._ask(exec_id, result)
        return result

    def leave(self) -> None:
        """Tell the shim to go, and forget it. It stays while it has other tasks."""
        with self._lock:
            if self._phase is _Phase.LIVE:
                self._phase = _Phase.LEAVING
        try:
            self._proxy.shutdown(self.id, timeout=SHUTDOWN_SECONDS)
        except errors.Error as error:
            # It closes the connection as it goes, which may come before the answer.
            if not isinstance(error, errors.Unavailable | errors.Canceled):
                _log.warning("shim of task %s did not shut down: %s", self.id, error)
        # A foreign shim takes its socket away after the answer: one that starts in its place must not find it.
        self._gone.wait(self.launcher.leaving_seconds(self.bundle))
        self._proxy.close()

    def forget(self) -> None:
        """Let go of the connection; the shim goes on."""
        with self._lock:
            self._phase = _Phase.LEAVING
        self._proxy.close()

    def clean_up(self) -> tasks.Exit:
        """After the shim's death: end what it left; how the task ended, as far as that can be known."""
        try:
            return self.launcher.clean_up(self.bundle)
        except errors.Error as error:
            _log.warning("cleaning up after the dead shim of task %s: %s", self.id, error)
            return tasks.Exit(status=_UNKNOWN_STATUS, exited_at=time.time_ns())

    def _ask(self, exec_id: str, result: "Future[tasks.Exit]") -> None:
        proxy = self._proxy

        def answered(asked: "Future[tasks.Exit]") -> None:
            error = asked.exception()
            if isinstance(error, errors.Unavailable | errors.Canceled):
                self._lost(proxy, exec_id, result, error)
            else:
                _pass_on(asked, result)

        proxy.wait(self.id, exec_id).add_done_callback(answered)

    def _lost(self, proxy: proxies.ShimProxy, exec_id: str, result: "Future[tasks.Exit]", error: Exception) -> None:
        """The connection is gone that somebody waits on: there is another, or there will be, or the shim is dead."""
        with self._lock:
            phase, connected = self._phase, self._proxy is not proxy
            if phase is _Phase.LIVE and not connected:
                self._waiting.append((exec_id, result))
                return
        if phase is _Phase.LEAVING:
            result.set_exception(error)
        elif phase is _Phase.DEAD:
            self.died.add_done_callback(lambda died: _pass_on(died, result))
        else:
            self._ask(exec_id, result)

    def _decide(self, lost: proxies.ShimProxy) -> None:
        """It is known what became of the shim: tell those who wait on the connection that was lost."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for exec_id, result in waiting:
            self._lost(lost, exec_id, result, errors.Unavailable(f"the shim of task {self.id} was told to go"))

    def _closed(self) -> None:
        self._gone.set()
        with self._lock:
            is_live = self._phase is _Phase.LIVE
        if not is_live:
            self._decide(self._proxy)
            return
        threading.Thread(target=self._look_after, name=f"shim-death-{self.id}", daemon=True).start()

    def _look_after(self) -> None:
        """The connection is gone. If the shim is not, connect again."""
        try:
            proxy = proxies.ShimProxy(self.bundle.endpoint(), timeout=CONNECT_SECONDS)
        except errors.Error:
            proxy = None
        with self._lock:
            lost = self._proxy
            is_live = self._phase is _Phase.LIVE
            if is_live and proxy is not None:
                self._proxy = proxy
            elif is_live:
                self._phase = _Phase.DEAD
        self._decide(lost)
        if not is_live:
            if proxy is not None:
                proxy.close()
        elif proxy is not None:
            _log.info("connected to the shim of task %s again", self.id)
            proxy.on_close(self._closed)
        else:
            _log.warning("the shim of task %s is gone", self.id)
            self._on_death(self)


def _pass_on(source: "Future[tasks.Exit]", target: "Future[tasks.Exit]") -> None:
    error = source.exception()
    if error is None:
        target.set_result(source.result())
    else:
        target.set_exception(error)
