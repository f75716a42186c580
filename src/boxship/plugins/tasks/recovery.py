"""After a start: which tasks of the daemon before us live on, and which died meanwhile.

All shims are asked at once, within one budget each: a daemon with hundreds of containers and some wedged shims among
them is up in seconds.
"""

import concurrent.futures
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from boxship.core import tasks
from boxship.plugins.tasks import launching
from boxship.plugins.tasks.bundles import Bundle, Bundles
from boxship.plugins.tasks.running import Running
from boxship.proxies import shims as proxies
from boxship.terms import errors

_log = logging.getLogger(__name__)
LOAD_SECONDS = 5.0
_AT_ONCE = 16


@dataclass(slots=True, kw_only=True)
class Found:
    """The tasks that have a shim, and how those ended that lost theirs.

    Bundles of the dead stay until their end has been told: a daemon that dies before finds them again.
    """

    alive: list[Running] = field(default_factory=list)
    dead: list[tuple[Bundle, tasks.Exit]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loader:
    """Takes over the tasks of bundles, one at a time."""

    launcher: Callable[[Bundle], launching.Launcher]
    is_wanted: Callable[[Bundle], bool]
    on_death: Callable[[Running], None]

    def load(self, bundle: Bundle, found: Found) -> None:
        if bundle.is_empty():
            bundle.delete()
            return
        launcher = self.launcher(bundle)
        try:
            proxy = proxies.ShimProxy(bundle.endpoint(), timeout=LOAD_SECONDS)
        except errors.NotFound:
            bundle.delete()  # the daemon died before it started a shim
            return
        except errors.Error as error:
            _log.info("the shim of task %s is gone: %s", bundle.id, error)
            self._bury(bundle, launcher, found)
            return
        self._greet(Running(bundle, launcher, proxy, self.on_death), found)

    def _greet(self, task: Running, found: Found) -> None:
        try:
            _, pid = task.shim.connect(task.id, timeout=LOAD_SECONDS)
        except errors.DeadlineExceeded:
            # It is there and does not answer: its task has an unknown state until it does.
            _log.warning("the shim of task %s does not answer", task.id)
            found.alive.append(task)
            return
        except errors.Error as error:
            _log.warning("the shim of task %s: %s", task.id, error)
            task.forget()
            self._bury(task.bundle, task.launcher, found)
            return
        if pid and self.is_wanted(task.bundle):
            found.alive.append(task)
            return
        _log.info("task %s was never made, or nobody knows its container; its shim goes", task.id)
        _dismiss(task)

    def _bury(self, bundle: Bundle, launcher: launching.Launcher, found: Found) -> None:
        try:
            exit_ = launcher.clean_up(bundle)
        except errors.Error as error:
            _log.warning("cleaning up after the dead shim of task %s: %s", bundle.id, error)
            exit_ = tasks.Exit(status=255, exited_at=time.time_ns())
        found.dead.append((bundle, exit_))


def load(
    bundles: Bundles,
    *,
    launcher: Callable[[Bundle], launching.Launcher],
    is_wanted: Callable[[Bundle], bool],
    on_death: Callable[[Running], None],
) -> Found:
    """Look at every bundle.

    Args:
        bundles: of the daemon before us.
        launcher: who started its shim.
        is_wanted: whether there is a container for it.
        on_death: for `Running`.
    """
    loader = _Loader(launcher=launcher, is_wanted=is_wanted, on_death=on_death)
    found = Found()
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="shim-load") as pool:
        loads = {pool.submit(loader.load, bundle, found): bundle for bundle in bundles.all()}
        for done in concurrent.futures.as_completed(loads):
            error = done.exception()
            if error is not None:
                _log.error("loading task %s", loads[done].id, exc_info=error)
    bundles.sweep_work()
    return found


def _dismiss(task: Running) -> None:
    try:
        task.shim.kill(task.id, "", signal=9, all=True)
        task.shim.wait(task.id).result(LOAD_SECONDS)
        task.shim.delete(task.id, timeout=LOAD_SECONDS)
    except (errors.Error, TimeoutError) as error:
        _log.debug("dismissing task %s: %s", task.id, error)
    task.leave()
    task.bundle.delete()
