"""Ranges of user and group ids, as specifications and the kernel write them."""

from dataclasses import dataclass
from typing import Any

from boxship.ocirun import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRange:
    """A line of uid_map or gid_map."""

    inside: int
    outside: int
    size: int

    def line(self) -> str:
        return f"{self.inside} {self.outside} {self.size}"


def parse(items: Any, name: str) -> tuple[IdRange, ...]:
    """The ranges of `linux.<name>` or of a mount; raises SpecFault."""
    found: list[IdRange] = []
    for item in items or ():
        numbers = [item.get(key, 0) for key in ("containerID", "hostID", "size")]
        if not all(isinstance(number, int) and 0 <= number <= 0xFFFFFFFF for number in numbers):
            raise errors.SpecFault(f"linux.{name}: {item!r} is no mapping", step=f"linux.{name}")
        found.append(IdRange(inside=numbers[0], outside=numbers[1], size=numbers[2]))
    return tuple(found)


def with_root(ranges: tuple[IdRange, ...], what: str) -> tuple[IdRange, ...]:
    """The ranges of a container, which is made by its own root; raises SpecFault when that has no id outside."""
    if ranges and not any(each.inside == 0 and each.size for each in ranges):
        raise errors.SpecFault(f"User namespaces enabled, but no {what} mapping found.", step=f"{what} mapping")
    return ranges
