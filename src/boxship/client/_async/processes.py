"""A process that this program started in a container: its init, or an exec."""


class AsyncProcess:
    """A context manager; leaving it lets go of the streams, not of the process.

    Attributes:
        container_id, id: `id` is empty for a container's init.
        pid: on the daemon's machine.
    """

    container_id: str
    id: str
    pid: int

    async def wait(self) -> int:
        """The exit status, when the process has ended and all its output has been taken."""
        raise NotImplementedError

    async def kill(self, signal: int | str = "SIGKILL") -> None:
        """Raises NotFound when it has ended."""
        raise NotImplementedError

    async def resize(self, width: int, height: int) -> None: ...

    async def close_stdin(self) -> None: ...

    async def delete(self) -> int:
        """Forget the process, which has ended, and let go of its streams; returns the exit status."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of the streams."""
        raise NotImplementedError
