"""A process that this program started in a container: its init, or an exec."""

from typing import TYPE_CHECKING, Self

from boxship.client import async_sessions, signals
from boxship.core import tasks
from boxship.proxies._async import tasks as tasks_proxy

if TYPE_CHECKING:
    from boxship.client import streams

PATIENCE = 2.0


class AsyncProcess:
    """A context manager; leaving it lets go of the streams, not of the process.

    Attributes:
        container_id: whose it is.
        id: of the exec; empty for a container's init.
        pid: on the daemon's machine.
    """

    def __init__(
        self,
        session: async_sessions.AsyncSession,
        container_id: str,
        id: str,
        pid: int,
        laid: "streams.Streams | None",
    ) -> None:
        self._session = session
        self._tasks = tasks_proxy.TasksProxy(session.caller)
        self.container_id = container_id
        self.id = id
        self.pid = pid
        self._laid = laid
        self._exit: tasks.Exit | None = None

    async def wait(self) -> int:
        """The exit status, when the process has ended and all its output has been taken.

        What an exec left running in the container may hold its output open: that is waited for only PATIENCE seconds.
        """
        if self._exit is None:
            self._exit = await self._session.answer(self._tasks.wait(self.container_id, self.id))
        if self._laid is not None:
            await self._session.ended(self._laid.ended, PATIENCE if self.id else None)
        return self._exit.status

    def know(self, ended: tasks.Exit) -> None:
        """Its end, asked elsewhere, since the daemon of this process is gone: `wait` need not ask for it."""
        self._exit = ended

    async def kill(self, signal: int | str = "SIGKILL") -> None:
        """Raises NotFound when it has ended."""
        await self._tasks.kill(self.container_id, signal=signals.number(signal), exec_id=self.id)

    async def resize(self, width: int, height: int) -> None:
        await self._tasks.resize_pty(self.container_id, width=width, height=height, exec_id=self.id)

    async def close_stdin(self) -> None:
        """Tell it that no more input comes; done by itself when `stdin` ends."""
        await self._tasks.close_io(self.container_id, stdin=True, exec_id=self.id)

    async def delete(self) -> int:
        """Forget the process, which has ended, and let go of its streams; returns the exit status."""
        await self.close()
        if self.id:
            return (await self._tasks.delete_process(self.container_id, self.id)).status
        return (await self._tasks.delete(self.container_id)).status

    async def detach(self) -> None:
        """Leave a process with a terminal to itself: its output goes on into the container's log; that of an exec ends.

        Raises:
            ValueError: it has no terminal, or nobody took its output.
        """
        if self._laid is not None:
            await self._session.call(self._laid.leave)

    async def close(self) -> None:
        """Let go of the streams."""
        if self._laid is not None:
            self._laid.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
