"""One container."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, BinaryIO

from boxship.client import results, streams
from boxship.client._async import processes
from boxship.core import containers, tasks


class AsyncContainer:
    """A container by its id; what is asked is asked of the daemon at each call.

    Attributes:
        id: its name.
        record: the daemon's record when this object was made.
    """

    id: str
    record: containers.Container

    async def info(self) -> containers.Container:
        """The record as it is now. Raises NotFound."""
        raise NotImplementedError

    async def spec(self) -> dict[str, Any]:
        """The OCI runtime spec."""
        raise NotImplementedError

    async def status(self) -> results.State: ...

    async def start(
        self,
        *,
        stdin: BinaryIO | None = None,
        stdout: streams.Sink | None = None,
        stderr: streams.Sink | None = None,
        detach: bool | None = None,
    ) -> processes.AsyncProcess:
        """Run its command; a container that has stopped may be started again.

        Without any stream (or with `detach`) the output goes to the log; with some, what nobody takes is
        thrown away but for the log, and `Process.wait` drains it. Whether it has a terminal is in its spec.

        Raises:
            AlreadyExists: it runs.
        """
        raise NotImplementedError

    async def wait(self) -> tasks.Exit:
        """Until its command ends; at once when it has. Raises NotFound when it was not started."""
        raise NotImplementedError

    async def kill(self, signal: int | str = "SIGKILL", *, all: bool = False) -> None:
        """Raises NotFound when it does not run; InvalidArgument for no signal."""
        raise NotImplementedError

    async def stop(self, timeout: float = 10.0) -> tasks.Exit:
        """Ask it to end by the image's stop signal, and kill it after so many seconds. Well if it has ended."""
        raise NotImplementedError

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...

    async def resize(self, width: int, height: int) -> None: ...

    async def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | Sequence[str] = (),
        cwd: str = "",
        user: str = "",
        privileged: bool = False,
        stdin: BinaryIO | None = None,
    ) -> results.Result:
        """Run another command in it, to its end, and say what it wrote. Raises NotFound when it does not run."""
        raise NotImplementedError

    async def spawn(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | Sequence[str] = (),
        cwd: str = "",
        user: str = "",
        privileged: bool = False,
        terminal: bool = False,
        stdin: BinaryIO | None = None,
        stdout: streams.Sink | None = None,
        stderr: streams.Sink | None = None,
    ) -> processes.AsyncProcess:
        """Start another command in it; output that nobody takes is thrown away. Its `delete` is due after `wait`."""
        raise NotImplementedError

    def logs(self, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[bytes]:
        """What it wrote, in pieces as they lie in the log; the last `tail` lines of it. `follow` goes on until it ends.

        Raises FailedPrecondition when it keeps no log, NotFound when that is gone.
        """
        raise NotImplementedError

    async def stats(self) -> results.Stats:
        """Raises NotFound when it does not run."""
        raise NotImplementedError

    async def processes(self) -> Sequence[tasks.ProcessInfo]: ...

    async def remove(self, *, force: bool = False) -> None:
        """Container, snapshot and log; `force` kills it first. Raises FailedPrecondition while it runs."""
        raise NotImplementedError
