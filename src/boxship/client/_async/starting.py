"""Starting processes: streams are laid, the shim opens them, the process is released; or all is undone."""

import contextlib
import os
from collections.abc import Callable
from typing import BinaryIO

from boxship.client import async_sessions, logfiles, outputs, streams
from boxship.client._async import processes
from boxship.core import mounts, tasks
from boxship.proxies._async import tasks as tasks_proxy
from boxship.terms import errors
from boxship.terms.typed import TypedBytes


class AsyncStarter:
    """Starts what runs in one container."""

    def __init__(self, session: async_sessions.AsyncSession, id: str) -> None:
        self._session = session
        self._tasks = tasks_proxy.TasksProxy(session.caller)
        self._id = id

    async def detached(
        self, rootfs: list[mounts.Mount], log: str, *, terminal: bool, keep_input: bool = False
    ) -> processes.AsyncProcess:
        """The container's init, with its output in a file (or nowhere), and its input open if it shall be, or was."""
        stdin = ""
        if log:
            await self._session.call(logfiles.make_folder, log)
            stdin = logfiles.input_beside(log, make=keep_input)
        uri = logfiles.uri(log) if log else ""
        io = tasks.IO(stdin=stdin, stdout=uri, stderr="" if terminal else uri, terminal=terminal)
        await self._create(rootfs, io)
        return processes.AsyncProcess(self._session, self._id, "", await self._release(), None)

    async def attached(
        self,
        rootfs: list[mounts.Mount],
        log: str,
        *,
        terminal: bool,
        stdin: BinaryIO | bytes | None,
        stdout: streams.Sink | None,
        stderr: streams.Sink | None,
    ) -> processes.AsyncProcess:
        """The container's init, with its output taken by us."""
        kept = outputs.Log(log) if log else None
        laid = streams.Streams(
            stdout=kept.beside(stdout) if kept else stdout,
            stderr=kept.beside(stderr) if kept else stderr,
            stdin=stdin,
            terminal=terminal,
            on_stdin_end=self._input_ended(""),
            left_to=(log or os.devnull) if terminal else None,
        )
        if kept:
            laid.ended.add_done_callback(lambda _: kept.close())
        try:
            await self._create(rootfs, laid.io)
            laid.attach()
            return processes.AsyncProcess(self._session, self._id, "", await self._release(), laid)
        except BaseException:
            laid.close()
            raise

    async def exec(
        self,
        exec_id: str,
        spec: TypedBytes,
        *,
        terminal: bool,
        stdin: BinaryIO | bytes | None,
        stdout: streams.Sink | None,
        stderr: streams.Sink | None,
    ) -> processes.AsyncProcess:
        """Another process in the container, whose task runs."""
        laid = streams.Streams(
            stdout=stdout,
            stderr=stderr,
            stdin=stdin,
            terminal=terminal,
            on_stdin_end=self._input_ended(exec_id),
            left_to=os.devnull if terminal else None,
        )
        try:
            await self._tasks.exec(self._id, exec_id, io=laid.io, spec=spec)
            laid.expect()
            try:
                pid = await self._tasks.start(self._id, exec_id)
            except BaseException:
                with contextlib.suppress(errors.Error):
                    await self._tasks.delete_process(self._id, exec_id)
                raise
            laid.attach()
            return processes.AsyncProcess(self._session, self._id, exec_id, pid, laid)
        except BaseException:
            laid.close()
            raise

    async def _create(self, rootfs: list[mounts.Mount], io: tasks.IO) -> None:
        try:
            await self._tasks.create(self._id, rootfs=rootfs, io=io)
        except errors.AlreadyExists:
            if (await self._tasks.get(self._id)).status is not tasks.Status.STOPPED:
                raise errors.AlreadyExists(f"container {self._id} runs: its task") from None
            await self._tasks.delete(self._id)
            await self._tasks.create(self._id, rootfs=rootfs, io=io)

    async def _release(self) -> int:
        try:
            return await self._tasks.start(self._id)
        except BaseException:
            for undo in (lambda: self._tasks.kill(self._id, signal=9), lambda: self._tasks.delete(self._id)):
                with contextlib.suppress(errors.Error):
                    await undo()
            raise

    def _input_ended(self, exec_id: str) -> Callable[[], None]:
        async def tell() -> None:
            with contextlib.suppress(errors.Error):  # it has ended as well
                await self._tasks.close_io(self._id, stdin=True, exec_id=exec_id)

        return lambda: self._session.from_thread(tell)
