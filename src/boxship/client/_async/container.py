"""One container."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from boxship.client import async_sessions, logfiles, marks, outputs, results
from boxship.core import containers, tasks
from boxship.proxies._async import containers as containers_proxy
from boxship.proxies._async import tasks as tasks_proxy
from boxship.terms import errors

if TYPE_CHECKING:
    from boxship.client._async import processes, starting
    from boxship.core import metrics
    from boxship.proxies._async import snapshots as snapshots_proxy

_ALIVE = frozenset({tasks.Status.RUNNING, tasks.Status.PAUSED, tasks.Status.PAUSING})


class AsyncContainer:
    """A container by its id; what is asked is asked of the daemon at each call.

    Attributes:
        id: its name.
        record: the daemon's record when this object was made.
    """

    def __init__(self, session: async_sessions.AsyncSession, record: containers.Container) -> None:
        self._session = session
        self._store = containers_proxy.ContainersProxy(session.caller)
        self._tasks = tasks_proxy.TasksProxy(session.caller)
        self.id = record.id
        self.record = record

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, image={self.record.image!r})"

    async def info(self) -> containers.Container:
        """The record as it is now. Raises NotFound."""
        self.record = await self._store.get(self.id)
        return self.record

    async def spec(self) -> dict[str, Any]:
        """The OCI runtime spec."""
        from boxship.core import specs

        return specs.from_bytes((await self.info()).spec)

    async def label(self, labels: Mapping[str, str]) -> containers.Container:
        """Set labels; an empty value removes one."""
        changed = containers.Container(id=self.id, runtime=self.record.runtime, labels=labels)
        self.record = await self._store.update(changed, [f"labels.{name}" for name in labels])
        return self.record

    async def status(self) -> results.State:
        """Raises NotFound when there is no such container."""
        try:
            return state_of(await self._tasks.get(self.id))
        except errors.NotFound:
            await self.info()
            return results.State(status=tasks.Status.CREATED)

    async def start(
        self,
        *,
        stdin: BinaryIO | bytes | None = None,
        stdout: outputs.Sink | None = None,
        stderr: outputs.Sink | None = None,
        detach: bool | None = None,
        keep_input: bool = False,
    ) -> processes.AsyncProcess:
        """Run its command; a container that has stopped may be started again.

        Without any stream (or with `detach`) the output goes to the log; with some, what nobody takes is
        thrown away but for the log, and `Process.wait` drains it. Whether it has a terminal is in its spec. A detached
        one finds its input at its end, or with `keep_input` open and silent, then and whenever it is started again.

        Raises:
            AlreadyExists: it runs.
        """
        await self.info()
        return await self.start_known(stdin=stdin, stdout=stdout, stderr=stderr, detach=detach, keep_input=keep_input)

    async def start_known(
        self,
        *,
        stdin: BinaryIO | bytes | None,
        stdout: outputs.Sink | None,
        stderr: outputs.Sink | None,
        detach: bool | None = None,
        keep_input: bool = False,
    ) -> processes.AsyncProcess:
        """As `start`, by the record at hand."""
        from boxship.core import specs

        record = self.record
        terminal = bool(specs.from_bytes(record.spec).get("process", {}).get("terminal"))
        log = record.labels.get(marks.LOG, "")
        mounts = await self._snapshotter(record).mounts(record.snapshot_key) if record.snapshot_key else []
        if detach or (detach is None and not (stdin or stdout or stderr)):
            return await self._starter().detached(mounts, log, terminal=terminal, keep_input=keep_input)
        return await self._starter().attached(mounts, log, terminal=terminal, stdin=stdin, stdout=stdout, stderr=stderr)

    async def wait(self) -> tasks.Exit:
        """Until its command ends; at once when it has. Raises NotFound when it was not started."""
        return await self._session.answer(self._tasks.wait(self.id))

    async def kill(self, signal: int | str = "SIGKILL", *, all: bool = False) -> None:
        """Raises NotFound when it does not run; InvalidArgument for no signal."""
        from boxship.client import signals

        await self._tasks.kill(self.id, signal=signals.number(signal), all=all)

    async def stop(self, timeout: float = 10.0) -> tasks.Exit:  # noqa: ASYNC109 - it is the container's time
        """Ask it to end by the image's stop signal, and kill it after so many seconds. Well if it has ended."""
        later = self._tasks.wait(self.id)
        try:
            with contextlib.suppress(errors.NotFound):
                await self.kill(self.record.labels.get(marks.STOP_SIGNAL) or "SIGTERM")
            if not await self._session.answered(later, timeout):
                with contextlib.suppress(errors.NotFound):
                    await self.kill("SIGKILL", all=True)
            return await self._session.answer(later)
        except BaseException:
            self._session.forget(later)
            raise

    async def pause(self) -> None:
        await self._tasks.pause(self.id)

    async def resume(self) -> None:
        await self._tasks.resume(self.id)

    async def resize(self, width: int, height: int) -> None:
        """Of its terminal, in characters."""
        await self._tasks.resize_pty(self.id, width=width, height=height)

    async def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str | None] | Sequence[str] = (),
        cwd: str = "",
        user: str = "",
        privileged: bool = False,
        stdin: BinaryIO | bytes | None = None,
    ) -> results.Result:
        """Run another command in it, to its end, and say what it wrote. Raises NotFound when it does not run."""
        output, said = outputs.Gathered(), outputs.Gathered()
        process = await self.spawn(
            args, env=env, cwd=cwd, user=user, privileged=privileged, stdin=stdin, stdout=output, stderr=said
        )
        try:
            status = await process.wait()
        except BaseException:
            with contextlib.suppress(errors.Error):
                await process.kill()
            raise
        finally:
            with contextlib.suppress(errors.Error):
                await process.delete()
        return results.Result(exit_status=status, output=output.value(), errors=said.value())

    async def spawn(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str | None] | Sequence[str] = (),
        cwd: str = "",
        user: str = "",
        privileged: bool = False,
        terminal: bool = False,
        console_size: tuple[int, int] | None = None,
        stdin: BinaryIO | bytes | None = None,
        stdout: outputs.Sink | None = None,
        stderr: outputs.Sink | None = None,
    ) -> processes.AsyncProcess:
        """Start another command in it; output that nobody takes is thrown away. Its `delete` is due after `wait`."""
        from boxship.client import wishes
        from boxship.core import specs

        spec = await self.spec()
        if user:
            from boxship.client import rootfs

            pid = (await self._tasks.get(self.id)).pid
            specs.set_user(spec["process"], await self._session.call(rootfs.resolve_user_of, user, pid))
        wishes.change_for_exec(
            spec,
            args,
            env=wishes.entries(env),
            cwd=cwd,
            terminal=terminal,
            privileged=privileged,
            console_size=console_size,
        )
        return await self._starter().exec(
            f"exec-{os.urandom(8).hex()}",
            specs.process_to_bytes(spec["process"]),
            terminal=terminal,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    async def logs(self, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[bytes]:
        """What it wrote, in pieces as they lie in the log; the last `tail` lines of it. `follow` goes on until it ends.

        A container that was never started wrote nothing. Raises FailedPrecondition when it keeps no log; Unavailable
        when the daemon goes away while it is followed.
        """
        path = (await self.info()).labels.get(marks.LOG)
        if not path:
            raise errors.FailedPrecondition(f"container {self.id} keeps no log")
        later = self._tasks.wait(self.id)
        try:
            quiet = 0 if follow else logfiles.SETTLED
            with logfiles.opened(path) as file:
                logfiles.to_tail(file, tail)
                while True:
                    while data := file.read(logfiles.CHUNK):
                        yield data
                    if quiet >= logfiles.SETTLED:
                        return
                    if not quiet and await self._session.answered(later, logfiles.POLL):
                        with contextlib.suppress(errors.NotFound):  # it was never started, or is removed
                            await self._session.answer(later)
                        quiet = 1
                    elif quiet:
                        quiet += 1
                        await self._session.pause(logfiles.POLL)
        finally:
            self._session.forget(later)

    async def stats(self) -> metrics.Stats:
        """Raises NotFound when it does not run."""
        from boxship.wire import metrics as wire_metrics

        if (state := await self.status()).status not in _ALIVE:
            raise errors.NotFound(f"container {self.id} does not run (it is {state.status.name.lower()}): its task")
        for metric in await self._tasks.metrics([f"id=={self.id}"]):
            if metric.id == self.id:
                return wire_metrics.stats(metric)
        raise errors.NotFound(f"container {self.id} does not tell: its numbers")

    async def processes(self) -> Sequence[tasks.ProcessInfo]:
        """Raises NotFound when it does not run."""
        return await self._tasks.pids(self.id)

    async def remove(self, *, force: bool = False) -> None:
        """Container, snapshot and log; `force` kills it first. Raises FailedPrecondition while it runs."""
        await self.info()
        await self._remove_task(force=force)
        await self.forget()

    async def forget(self) -> None:
        """Remove it when it has no task any more, by the record at hand."""
        record = self.record
        await self._store.delete(self.id)
        if record.snapshot_key:
            with contextlib.suppress(errors.NotFound):
                await self._snapshotter(record).remove(record.snapshot_key)
        if log := record.labels.get(marks.LOG):
            logfiles.remove(log, self._session.caller.namespace, self.id)

    async def _remove_task(self, *, force: bool) -> None:
        try:
            state = await self._tasks.get(self.id)
        except errors.NotFound:
            return
        if state.status in _ALIVE or state.status is tasks.Status.CREATED:
            if not force and state.status in _ALIVE:
                raise errors.FailedPrecondition(f"container {self.id} runs: stop it first, or remove it by force")
            await self._end_task(state.status)
        with contextlib.suppress(errors.NotFound):
            await self._tasks.delete(self.id)

    async def _end_task(self, status: tasks.Status) -> None:
        later = self._tasks.wait(self.id)
        with contextlib.suppress(errors.NotFound):
            await self.kill("SIGKILL", all=status is not tasks.Status.CREATED)
        if status in {tasks.Status.PAUSED, tasks.Status.PAUSING}:
            with contextlib.suppress(errors.Error):  # a frozen process takes no signal on cgroup v1
                await self.resume()
        with contextlib.suppress(errors.NotFound):
            await self._session.answer(later)

    def _starter(self) -> starting.AsyncStarter:
        from boxship.client._async import starting

        return starting.AsyncStarter(self._session, self.id)

    def _snapshotter(self, record: containers.Container) -> snapshots_proxy.SnapshotsProxy:
        from boxship.proxies._async import snapshots as snapshots_proxy

        return snapshots_proxy.SnapshotsProxy(self._session.caller, record.snapshotter)


def state_of(found: tasks.Process) -> results.State:
    stopped = found.status is tasks.Status.STOPPED
    return results.State(
        status=found.status,
        pid=found.pid,
        exit_status=found.exit_status if stopped else None,
        exited_at=found.exited_at if stopped else None,
    )
