"""A stream that is inflated and hashed in a thread of its own, while whoever reads it writes files.

Both release the interpreter lock, so two cores work at once. The queue between them is short: memory stays bounded
however slow the reader is.
"""

import hashlib
import queue
import threading
from collections.abc import Iterator
from typing import Self

_AHEAD = 4


class HashedStream:
    """Reads pieces ahead; `digest` and `size` are of all that there was, once the stream has been read to its end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._queue: queue.Queue[bytes | BaseException] = queue.Queue(_AHEAD)
        self._hash = hashlib.sha256()
        self._size = 0
        self._ended = False
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inflate", daemon=True)
        self._thread.start()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    @property
    def size(self) -> int:
        return self._size

    def read(self, size: int) -> bytes:
        """The next piece, of whatever size; empty at the end. Raises what reading ahead has raised."""
        if self._ended:
            return b""
        found = self._queue.get()
        if isinstance(found, bytes) and found:
            return found
        self._ended = True
        self._thread.join()
        if isinstance(found, BaseException):
            raise found
        return b""

    def close(self) -> None:
        """Stop reading ahead."""
        self._unwanted.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            for piece in self._pieces:
                self._queue.put(piece)
                self._hash.update(piece)
                self._size += len(piece)
                if self._unwanted.is_set():
                    return
            self._queue.put(b"")
        except BaseException as exc:  # handed to the reader
            self._queue.put(exc)
