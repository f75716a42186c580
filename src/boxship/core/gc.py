"""Garbage collection as an algorithm: what can be reached from the roots stays, all else goes.

A node is a thing in a namespace; references come from labels, leases and records, never from reading manifests.
"""

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


class Kind(enum.IntEnum):
    CONTENT = 1
    SNAPSHOT = 2
    CONTAINER = 3
    TASK = 4
    IMAGE = 5
    LEASE = 6
    INGEST = 7


@dataclass(frozen=True, slots=True)
class Node:
    """`key` is a digest, an image name, a ref, or SNAPSHOTTER/KEY; `flat` nodes are kept without what they refer to."""

    kind: Kind
    namespace: str
    key: str
    flat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What a collection did: seconds it took, and how many things went."""

    seconds: float
    content: int = 0
    snapshots: int = 0
    images: int = 0
    leases: int = 0
    ingests: int = 0


class Collector(Protocol):
    def collect(self) -> Stats:
        """Collect now and wait for the end."""


def reachable(roots: Iterable[Node], references: Callable[[Node], Iterable[Node]]) -> set[Node]:
    """Everything that can be reached from the roots, with the roots: each node is asked once."""
    seen: set[Node] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if not node.flat:
            waiting.extend(references(node))
    return seen
