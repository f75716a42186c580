"""What a process wrote: gathered in memory, or kept in a file."""

import os
import threading
from collections.abc import Callable

from boxship.terms import errors

Sink = Callable[[bytes], object]
"""Takes output as it comes, in a thread of its own; must not block for long."""

LIMIT = 64 << 20
"""Bytes that are gathered of one process; who expects more takes them as they come."""


class Gathered:
    """Takes output up to a limit; any thread may write."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._parts: list[bytes] = []
        self._size = 0

    def __call__(self, data: bytes) -> None:
        with self._lock:
            self._size += len(data)
            if self._size <= self._limit:
                self._parts.append(data)

    def value(self) -> bytes:
        """Raises ResourceExhausted when there was more than the limit."""
        with self._lock:
            if self._size > self._limit:
                raise errors.ResourceExhausted(
                    f"the command wrote {self._size} bytes, more than the {self._limit} that are gathered: "
                    "take them as they come, by stdout= and stderr="
                )
            return b"".join(self._parts)


class Log:
    """A file that output is appended to; what a detached container's shim does, done by us while we are attached."""

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def beside(self, sink: Sink | None) -> Sink:
        """A sink that writes here and then gives the same to `sink`."""

        def take(data: bytes) -> None:
            os.write(self._file, data)
            if sink is not None:
                sink(data)

        return take

    def close(self) -> None:
        os.close(self._file)
