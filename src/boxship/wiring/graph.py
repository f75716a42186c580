"""The order in which parts are made: what a part requires comes before it."""

from collections.abc import Sequence
from typing import Any

from boxship.wiring import parts


class Loop(Exception):
    """Parts require each other in a circle; the message walks it."""


def ordered(registrations: Sequence[parts.Registration[Any]]) -> list[parts.Registration[Any]]:
    """All of them, requirements first, otherwise in the order given. Raises Loop."""
    done: dict[str, parts.Registration[Any]] = {}
    for each in registrations:
        _visit(each, registrations, done, ())
    return list(done.values())


def _visit(
    part: parts.Registration[Any],
    everything: Sequence[parts.Registration[Any]],
    done: dict[str, parts.Registration[Any]],
    path: tuple[str, ...],
) -> None:
    if part.uri in done:
        return
    if part.uri in path:
        raise Loop(" requires ".join((*path[path.index(part.uri) :], part.uri)))
    for kind in part.requires:
        for other in everything:
            if other.kind == kind and other is not part:
                _visit(other, everything, done, (*path, part.uri))
    done[part.uri] = part
