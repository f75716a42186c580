"""What was read from rows and is asked for again and again, kept until somebody writes to them.

A run of a container asks ten times for the same container and for the same three blobs.
"""

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

_MOST = 64
_T = TypeVar("_T")


class Remembered:
    """A few values by key. Many threads may read; one at a time changes."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}
        self._lock = threading.Lock()
        self._changes = 0  # odd while something is being changed

    def get(self, key: Hashable, read: Callable[[], _T], keeps: Callable[[_T], bool] = lambda _: True) -> _T:
        """What is known, or what `read` finds; that is kept if `keeps` says so, and if nothing changed meanwhile."""
        found: _T | None = self._known.get(key)
        if found is not None:
            return found
        before = self._changes
        found = read()
        if keeps(found):
            with self._lock:
                if before == self._changes and not before & 1:
                    if len(self._known) >= _MOST:
                        self._known.clear()
                    self._known[key] = found
        return found

    def change(self, keys: Iterable[Hashable]) -> None:
        """What these keys stand for is about to change, until `changed`: they are forgotten, and nothing new is kept."""
        with self._lock:
            self._changes += 1
            for key in keys:
                self._known.pop(key, None)

    def changed(self) -> None:
        with self._lock:
            self._changes += 1
