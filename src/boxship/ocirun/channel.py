"""Letters between the one who makes a container and the process that becomes its init.

A letter is one byte of kind, then its content; a descriptor may be with it. The end of the channel without a fault
means that execve has happened, since it closes the inner end.
"""

import os
import socket
from collections.abc import Callable

from boxship.linux import sockets
from boxship.ocirun import errors

READY = b"R"
HOOKS = b"H"
CONSOLE = b"C"
WARNING = b"W"
FAULT = b"F"
MAPS = b"M"
CHILD = b"P"
LISTENER = b"L"
GO = b"G"
DIED = "init-died"
"""The step of the fault that says: the other end went away without a word."""


class Channel:
    """`listen` is given the descriptor of a seccomp listener when one comes."""

    def __init__(self, end: socket.socket, *, listen: Callable[[int], None] = os.close) -> None:
        self._end = end
        self._listen = listen
        self._pipe: int | None = None

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._end.close()

    def divert(self, pipe: int) -> None:
        """From now on a fault is written to `pipe`, bare, and nothing else can be said."""
        self._end.close()
        self._pipe = pipe

    def send(self, kind: bytes, content: bytes = b"", *descriptors: int) -> None:
        if self._pipe is not None:
            os.write(self._pipe, content)
            return
        sockets.send(self._end, kind + content, descriptors)

    def receive(self) -> tuple[bytes, bytes, list[int]]:
        """(kind, content, descriptors); kind is b"" when the other end is closed."""
        try:
            message, descriptors = sockets.receive(self._end)
        except ConnectionResetError:
            return b"", b"", []
        if message[:1] == LISTENER:
            self._listen(descriptors[0])
            return self.receive()
        return message[:1], message[1:], descriptors

    def expect(self, kind: bytes, *, warn: Callable[[str], None]) -> tuple[bytes, list[int]]:
        """The next letter, which must be of `kind`; warnings before it are passed on, a fault is raised."""
        while True:
            found, content, descriptors = self.receive()
            if found == WARNING:
                warn(content.decode("utf-8", "replace"))
            elif found == FAULT:
                raise errors.decode(content)
            elif found == kind:
                return content, descriptors
            elif found == b"":
                raise errors.Fault("container init died before it was ready", step=DIED)
            else:
                raise errors.Fault(f"container init said {found!r} out of turn", step="init")
