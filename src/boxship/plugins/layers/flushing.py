"""Having a layer written to the disk while the rest of it is still being unpacked.

Who makes a snapshot durable waits for all that the kernel still holds back, and by then nothing else is left to do.
"""

import threading
from typing import Self

from boxship.linux import files

_STEP = 16 << 20


class Flusher:
    """A thread that has the file system of the folder `root` written back after each 16 MiB; a context manager.

    It promises nothing: whoever needs the layer on the disk says so when all of it is there. But what the disk refuses is
    told only once (syncfs(2)), so leaving raises the OSError.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._size = 0
        self._due = threading.Event()
        self._over = False
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="flush", daemon=True)
        self._thread.start()

    def add(self, size: int) -> None:
        """So many bytes more of the layer have been worked on."""
        self._size += size
        if self._size >= _STEP:
            self._size = 0
            self._due.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self._over = True
        self._due.set()
        self._thread.join()
        if self._failure is not None and kind is None:
            raise self._failure

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._over:
                return
            try:
                files.syncfs(self._root)
            except OSError as exc:
                self._failure = exc
                return
