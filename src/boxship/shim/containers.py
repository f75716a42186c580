"""A container in the shim: its runtime, its init and its execs, and what each state allows.

The words of refusals are containerd-shim-runc-v2's; clients compare them.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from boxship.linux import cgroupevents
from boxship.shim import later, leftovers, loop, processes, reaping, rootfs, runtimes, stdio
from boxship.shim.processes import Process, Status
from boxship.terms import errors

_LOOKS, _LOOK_SECONDS = 5, 0.05
Ended = Callable[["Container", Process], None]


class Container:
    """One container. Blocking where its runtime is."""

    def __init__(
        self,
        plan: Mapping[str, Any],
        *,
        events: loop.Loop,
        children: reaping.Children,
        runtime: runtimes.Runtime,
        owner: stdio.Owner,
        ended: Ended,
    ) -> None:
        """Args:

        plan: of JSON's types; `id`, `bundle`, `mounted` (whether we mounted its root file system) and what else is
            to come back with its `state`.
        ended: told of each process that has ended, the init last.
        """
        self.id, self.bundle = plan["id"], plan["bundle"]
        self._loop, self._children, self._runtime, self._owner = events, children, runtime, owner
        self._plan, self._ended = plan, ended
        self._init_exit: tuple[int, int] | None = None  # status and time
        self._oom: cgroupevents.OomWatch | None = None
        self._oom_state: list[int] | None = None
        self._look_at_memory: Callable[[], None] = lambda: None
        self.init = Process("", stdio.Names())
        self.execs: dict[str, Process] = {}
        self._specs: dict[str, Mapping[str, Any]] = {}

    def create(self, names: stdio.Names) -> None:
        """Make it. Raises errors.Error; nothing of the process is left then."""
        self.init.names = names
        self._launch(self.init, lambda given: self._runtime.create(given, terminal=names.terminal))
        with open(os.path.join(self.bundle, "init.pid"), "w", encoding="ascii") as file:
            file.write(str(self.init.pid))

    def state(self) -> dict[str, Any]:
        """For `restore`, with our descriptors left open."""
        return {
            "plan": self._plan,
            "init": self.init.state(),
            "init_exit": self._init_exit,
            "execs": [process.state() for process in self.execs.values()],
            "specs": self._specs,
            "oom": self._oom and self._oom.state(),
            "runtime": self._runtime.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Instead of `create`: go on where others stopped."""
        self._runtime.restore(state["runtime"])
        self._init_exit, self._oom_state = state["init_exit"], state["oom"]
        self._specs = dict(state["specs"])
        self.init, *execs = [processes.restored(each, self._streams) for each in (state["init"], *state["execs"])]
        self.execs = {each.id: each for each in execs}
        for each in (self.init, *execs):
            ended = each.status is Status.STOPPED or (each is self.init and self._init_exit is not None)
            if each.pid and not ended:
                self._watch(each)

    def watch_memory(self, told: Callable[[], None]) -> None:
        """Call `told` whenever the kernel kills for lack of memory. Without a memory controller there is nothing."""
        if self._runtime.cgroup is None:
            return
        try:
            watch = self._runtime.cgroup.oom_watch(self._oom_state)
        except OSError:
            return
        self._oom = watch

        def look(again: int = _LOOKS) -> None:
            """The kernel tells (of version 1) before it counts, so nothing new means to look again in a moment."""
            if self._oom is watch:
                if watch.read():
                    told()
                elif again:
                    self._loop.later(_LOOK_SECONDS, lambda: look(again - 1))

        self._loop.watch(watch.fileno(), loop.IN, lambda _events: look())
        self._look_at_memory = lambda: look(0)

    def process(self, id: str) -> Process:
        """Raises NotFound."""
        if not id:
            return self.init
        if id not in self.execs:
            raise errors.NotFound(f"process does not exist {id}")
        return self.execs[id]

    def status(self, process: Process) -> Status:
        """An exec is as paused as its container."""
        return Status.PAUSED if self.init.status is Status.PAUSED else process.status

    def start(self, process: Process) -> None:
        if process is not self.init and self._init_exit is not None:
            raise errors.FailedPrecondition(f"container {self.id} init process is not running")
        if process.status is not Status.CREATED or process.deleting:
            raise errors.Unknown(f"cannot start a {_word(process)} process")
        if process is self.init:
            self._runtime.start()
        else:
            spec, terminal = self._specs[process.id], process.names.terminal
            self._launch(process, lambda given: self._runtime.execute(spec, given, terminal=terminal))
            del self._specs[process.id]
        if process.status is Status.CREATED:
            process.status = Status.RUNNING

    def exec(self, id: str, names: stdio.Names, spec: Mapping[str, Any]) -> None:
        """Add a process, which `start` runs."""
        if id in self.execs:
            raise errors.AlreadyExists(f"id {id}")
        if self.init.status is not Status.RUNNING:
            raise errors.Unknown(f"cannot exec in a {_word(self.init)} state")
        self.execs[id] = Process(id, names)
        self._specs[id] = spec

    def kill(self, process: Process, number: int, *, everyone: bool) -> None:
        if process is not self.init:
            self._kill_exec(process, number)
            return
        if process.deleting and process.status is Status.STOPPED:
            raise errors.NotFound("cannot kill a deleted process")
        if process.status is Status.STOPPED and not everyone:
            raise errors.NotFound("process already finished")
        self._runtime.kill(number, everyone=everyone)

    def pause(self) -> None:
        self._must_be(Status.RUNNING, "pause")
        self._runtime.pause()
        self.init.status = Status.PAUSED

    def resume(self) -> None:
        self._must_be(Status.PAUSED, "resume")
        self._runtime.resume()
        self.init.status = Status.RUNNING

    def update(self, resources: Mapping[str, Any]) -> None:
        if self.init.status is Status.STOPPED:
            raise errors.Unknown("cannot update a stopped container")
        self._runtime.update(resources)

    def checkpoint(self, path: str, options: Mapping[str, Any]) -> None:
        if self.init.status is Status.CREATED:
            raise errors.Unknown("cannot checkpoint a task in created state")
        if self.init.status is Status.STOPPED:
            raise errors.Unknown("cannot checkpoint a stopped container")
        self._runtime.checkpoint(path, options)

    def resize(self, process: Process, width: int, height: int) -> None:
        if process is not self.init and process.status is Status.STOPPED:
            raise errors.Unknown("cannot resize a stopped container")
        if process.streams is not None:
            process.streams.resize(width, height)

    def pids(self) -> list[int]:
        return sorted(self._runtime.pids())

    def statistics(self) -> dict[str, Any]:
        """Raises NotFound."""
        if self._runtime.cgroup is None:
            raise errors.NotFound("cgroup does not exist")
        return self._runtime.cgroup.statistics()

    def delete(self, process: Process) -> later.Later:
        """Forget a process that has ended or never ran; settled with it once its output is carried."""
        if process.deleting:
            raise errors.NotFound("cannot delete a deleted process")
        if process.status in {Status.RUNNING, Status.PAUSED}:
            raise errors.Unknown(f"cannot delete a {_word(process)} process")
        waiting = process is self.init and process.status is Status.CREATED
        if waiting:  # it exists and stands still; it ends like any other
            with contextlib.suppress(errors.NotFound):  # it has ended, and we are about to hear of it
                self._runtime.kill(signal.SIGKILL, everyone=False)
        process.deleting = True
        answer = later.Later()
        if waiting:
            process.wait().then(lambda _process, _error: process.when_drained(lambda: self._finish(process, answer)))
        else:
            process.when_drained(lambda: self._finish(process, answer))
        return answer

    def abandon(self) -> None:
        """Take away what a failed creation left."""
        self._children.unwatch(self.init.pid)  # the end of what never was is nobody's business
        self.init.close()  # first, since descriptors may be what is lacking
        with contextlib.suppress(errors.Error, OSError):
            self._runtime.delete(force=True)
        self._unmount()

    def _finish(self, process: Process, answer: later.Later) -> None:
        try:
            if process is self.init:
                self._remove()
            else:
                process.close()
                self.execs.pop(process.id, None)
                self._specs.pop(process.id, None)
        except Exception as error:
            process.deleting = False
            answer.fail(error)
        else:
            answer.settle(process)

    def _remove(self) -> None:
        self._look_at_memory()
        if self._oom is not None:
            self._loop.unwatch(self._oom.fileno())
            self._oom.close()
            self._oom = None
        try:
            self._runtime.delete(force=False)
        finally:
            for process in (self.init, *self.execs.values()):
                process.close()
            self._unmount()

    def _unmount(self) -> None:
        if self._plan["mounted"]:
            rootfs.unmount(os.path.join(self.bundle, "rootfs"))

    def _launch(self, process: Process, launch: Callable[[runtimes.Given], runtimes.Started]) -> None:
        streams = self._streams(process.names)
        try:
            streams.open()
        except (errors.Error, OSError) as error:
            raise errors.Unknown(f"failed to create init process I/O: {error}") from error
        try:
            started = launch(streams.given)
        except BaseException:
            streams.close()
            if process is not self.init:
                process.ended(255, time.time_ns())
                process.tell()
            raise
        process.pid, process.streams = started.pid, streams
        self._watch(process)
        streams.begin(started.console)

    def _streams(self, names: stdio.Names) -> stdio.Streams:
        return stdio.Streams(self._loop, self._children, names, self._owner)

    def _watch(self, process: Process) -> None:
        self._children.watch(process.pid, lambda status, at: self._child_ended(process, status, at))

    def _child_ended(self, process: Process, status: int, at: int) -> None:
        if process is not self.init:
            self._process_ended(process, status, at)
            if self._init_exit is not None:
                self._init_ended_if_last()
            return
        self._init_exit = (status, at)
        if self._runtime.shares_pids:
            with contextlib.suppress(errors.Error, OSError):
                self._runtime.kill(signal.SIGKILL, everyone=True)
        self._init_ended_if_last()

    def _init_ended_if_last(self) -> None:
        """The end of the init is told after the ends of all others."""
        running = any(process.pid and process.status is not Status.STOPPED for process in self.execs.values())
        if not running and self._init_exit is not None and self.init.status is not Status.STOPPED:
            self._process_ended(self.init, *self._init_exit)

    def _process_ended(self, process: Process, status: int, at: int) -> None:
        process.ended(status, at)
        if process is self.init:
            with contextlib.suppress(OSError):
                leftovers.note_exit(self.bundle, status, at)
        self._ended(self, process)
        process.tell()  # last: who waited may delete it at once, and that is told after its end

    def _kill_exec(self, process: Process, number: int) -> None:
        if not process.pid:
            raise errors.FailedPrecondition("process not created")
        if process.status is Status.STOPPED:
            raise errors.NotFound("process already finished")
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            raise errors.NotFound("exec kill error: process already finished") from None

    def _must_be(self, wanted: Status, what: str) -> None:
        status = self.init.status
        if status is wanted:
            return
        if status is Status.CREATED:
            raise errors.Unknown(f"cannot {what} task in created state")
        noun = "process" if (what, status) == ("resume", Status.RUNNING) else "container"
        raise errors.Unknown(f"cannot {what} a {_word(self.init)} {noun}")


def _word(process: Process) -> str:
    return "deleted" if process.deleting else process.status.name.lower()
