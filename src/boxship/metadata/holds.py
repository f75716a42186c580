"""Who is busy with which backend thing: writers hold it, and the sweep passes over what is held.

Between the moment when the content store or a snapshotter has something new and the moment when a row names it,
nothing in the file speaks for it. A hold does. It costs nobody else anything: two names never wait for each other.
"""

import collections
import contextlib
import threading
from collections.abc import Iterator


class Holds:
    """Counted holds on names, and removals that exclude them."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._held: collections.Counter[str] = collections.Counter()
        self._removed: set[str] = set()

    @contextlib.contextmanager
    def holding(self, *names: str) -> Iterator[None]:
        """Nobody removes these meanwhile. Waits while one of them is being removed."""
        with self._condition:
            while not self._removed.isdisjoint(names):
                self._condition.wait()
            self._held.update(names)
        try:
            yield
        finally:
            with self._condition:
                for name in names:
                    self._held[name] -= 1
                    if not self._held[name]:
                        del self._held[name]

    @contextlib.contextmanager
    def removing(self, name: str) -> Iterator[bool]:
        """Whether the name is free to be removed; if so, who wants to hold it waits."""
        with self._condition:
            free = name not in self._held and name not in self._removed
            if free:
                self._removed.add(name)
        try:
            yield free
        finally:
            if free:
                with self._condition:
                    self._removed.discard(name)
                    self._condition.notify_all()


class Turns:
    """One at a time for each name; several names are taken together, so nobody waits in a circle."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._taken: set[str] = set()

    @contextlib.contextmanager
    def turn(self, *names: str) -> Iterator[None]:
        with self._condition:
            while not self._taken.isdisjoint(names):
                self._condition.wait()
            self._taken.update(names)
        try:
            yield
        finally:
            with self._condition:
                self._taken.difference_update(names)
                self._condition.notify_all()
