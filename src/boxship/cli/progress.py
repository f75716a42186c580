"""Progress of transfers: moving bars for who watches, a line per finished thing for who does not."""

import threading
from typing import Any, Self

from boxship.cli import output, world
from boxship.plugins.transfer import progress


class Display:
    """A context manager whose `report` is given to pulls and pushes."""

    def __init__(self, around: world.World) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._seen: dict[str, progress.State] = {}

    def __enter__(self) -> Self:
        if self._around.watched:
            self._bars = _bars(self._around)
            self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def report(self, told: progress.Progress) -> None:
        with self._lock:
            if self._bars is not None:
                self._move(told)
            elif self._seen.get(told.name) is not told.state:
                self._tell(told)
            self._seen[told.name] = told.state

    def _move(self, told: progress.Progress) -> None:
        if told.name not in self._tasks:
            self._tasks[told.name] = self._bars.add_task("", name=_short(told.name), state="", total=told.total or None)
        done = {} if told.state is progress.State.UNPACKING else {"completed": told.done}
        self._bars.update(self._tasks[told.name], state=told.state.value, total=told.total or None, **done)

    def _tell(self, told: progress.Progress) -> None:
        size = f" {output.size(told.total)}" if told.total else ""
        self._around.say(f"{_short(told.name)}: {told.state.value}{size}")


def _bars(around: world.World) -> Any:
    from rich import console
    from rich import progress as rich

    return rich.Progress(
        rich.TextColumn("{task.fields[name]}"),
        rich.TextColumn("{task.fields[state]:<11}"),
        rich.BarColumn(bar_width=None),
        rich.DownloadColumn(binary_units=True),
        rich.TransferSpeedColumn(),
        console=console.Console(file=around.stderr),
    )


def _short(name: str) -> str:
    """A digest as people compare it, a name as it is."""
    return name[7:19] if name.startswith("sha256:") else name
