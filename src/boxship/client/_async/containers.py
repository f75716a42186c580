"""Containers: made from images, started, watched, removed."""

from collections.abc import Sequence
from typing import BinaryIO, Unpack

from boxship.client import results, streams, wishes
from boxship.client._async import container


class AsyncContainers:
    async def run(
        self,
        image: str,
        args: Sequence[str] | None = None,
        *,
        stdin: BinaryIO | None = None,
        stdout: streams.Sink | None = None,
        stderr: streams.Sink | None = None,
        remove: bool = True,
        **options: Unpack[wishes.Options],
    ) -> results.Result:
        """Make a container, run it to its end, remove it, and say what it wrote.

        Args:
            image: its name; pulled when it is not here (see the option `pull`).
            args: the command; the image's without it.
            stdin: where input is read from until it ends.
            stdout, stderr: called with output as it comes; what goes there is not in the result.
            remove: False leaves the container, stopped.
            options: see wishes.Options.
        """
        raise NotImplementedError

    async def create(
        self, image: str, args: Sequence[str] | None = None, **options: Unpack[wishes.Options]
    ) -> container.AsyncContainer:
        """Make a container from an image, not started. What was made is undone when something fails.

        Raises:
            NotFound: no such image, and it may not be or cannot be pulled.
            AlreadyExists: the name is taken.
            InvalidArgument: a wish that cannot be.
        """
        raise NotImplementedError

    async def get(self, id: str) -> container.AsyncContainer:
        """Raises NotFound."""
        raise NotImplementedError

    async def list(self, *, all: bool = True, filters: Sequence[str] = ()) -> list[container.AsyncContainer]:
        """Containers in order of ids; without `all` those that run (or are paused)."""
        raise NotImplementedError

    async def states(self) -> dict[str, results.State]:
        """The state of every container that has a task, by id, in one call."""
        raise NotImplementedError
