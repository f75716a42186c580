"""A kind: what a part is good for. It carries the type of what its parts make, so that asking for one needs no cast."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)  # no slots: with them, Kind[T](...) fails in Python 3.11
class Kind(Generic[T]):
    """`uri` is how configuration files and introspection name it, such as `io.containerd.content.v1`."""

    uri: str

    def __str__(self) -> str:
        return self.uri
