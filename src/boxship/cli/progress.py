"""Progress of transfers: moving bars for who watches, a line per change for who does not."""

import threading
from typing import TYPE_CHECKING, Self

from boxship.cli import output, world
from boxship.plugins.transfer import progress

if TYPE_CHECKING:
    from boxship.cli import bars


GOES_ON = "what has come is kept, and the next pull goes on from there"


class Display:
    """A context manager whose `report` is given to pulls and pushes.

    Args:
        around: who watches.
        interrupted: what to tell who interrupts it.
    """

    def __init__(self, around: world.World, *, interrupted: str = "") -> None:
        self._around = around
        self._interrupted = interrupted
        self._lock = threading.Lock()
        self._bars: bars.Bars | None = None
        self._seen: dict[str, progress.State] = {}

    def __enter__(self) -> Self:
        if self._around.watched:
            from boxship.cli import bars

            self._bars = bars.Bars(self._around.draw, self._around.screen, colours=self._around.coloured)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bars is not None:
            self._bars.draw()
        if kind is KeyboardInterrupt:
            self._around.say(f"boxship: interrupted{self._interrupted and '; '}{self._interrupted}")

    def report(self, told: progress.Progress) -> None:
        with self._lock:
            if self._bars is not None:
                self._bars.report(told)
            elif self._seen.get(told.name) is not told.state:
                self._tell(told)
            self._seen[told.name] = told.state

    def _tell(self, told: progress.Progress) -> None:
        size = f" {output.size(told.total)}" if told.total else ""
        self._around.say(f"{_short(told.name)}: {told.state.value}{size}")


def _short(name: str) -> str:
    """A digest as people compare it, a name as it is."""
    return name[7:19] if name.startswith("sha256:") else name
