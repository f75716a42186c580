"""Somebody who reads a FIFO to its end, and what a counting container must have written."""

import os
import pathlib
import threading

from integration.system import engines

COUNT = "i=0; trap 'echo end; exit 3' TERM; while true; do i=$((i+1)); echo $i; sleep 0.05; done"
"""Lines from 1 on, some twenty each second, and an end when told to."""
POUR = (
    "i=0; trap 'echo end; exit 3' TERM; while true; do seq $((i*5000+1)) $((i*5000+5000)); i=$((i+1)); sleep 0.02; done"
)
"""The same at a megabyte each second."""


class Fifo:
    """Made here, read by a thread as it comes."""

    def __init__(self, path: pathlib.Path) -> None:
        os.mkfifo(path, 0o600)
        self.path = str(path)
        self._parts: list[bytes] = []
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._keeper = os.open(path, os.O_WRONLY)  # so that there is no end before the shim has come
        os.set_blocking(self._fd, True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def attached(self) -> None:
        """The shim has opened it: from now on it ends when the shim lets go."""
        os.close(self._keeper)

    def size(self) -> int:
        return sum(map(len, self._parts))

    def value(self) -> bytes:
        """All of it, once it has ended."""
        self._thread.join(engines.PATIENCE)
        assert not self._thread.is_alive()
        return b"".join(self._parts)

    def _read(self) -> None:
        while data := os.read(self._fd, 1 << 16):
            self._parts.append(data)
        os.close(self._fd)


def counted(said: bytes) -> int:
    """How far it counted. No line may be missing, doubled or out of its place, and the end is the end."""
    *numbers, end = said.replace(b"\r\n", b"\n").splitlines()
    assert end == b"end", said[-200:]
    wrong = [(at, line) for at, line in enumerate(numbers, 1) if line != b"%d" % at]
    assert not wrong, (len(numbers), wrong[:5])
    return len(numbers)
