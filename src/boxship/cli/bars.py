"""Bars that move while a transfer runs: a line for each thing, redrawn in place, as wide as the terminal.

Ours, because the usual library takes longer to load than a small image to pull.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from boxship.cli import output
from boxship.plugins.transfer import progress

_EVERY = 0.08
"""Seconds between two drawings."""
_NAME, _STATE, _SIZE, _SPEED = 12, 11, 21, 12
_SHORTEST, _LONGEST = 10, 40
_FULL, _HALF, _EMPTY = "━", "╸", "─"
_COLOURS = {"done": "\x1b[32m", "moving": "\x1b[36m", "plain": "\x1b[0m", "dim": "\x1b[2m"}
_MOVING = frozenset({progress.State.DOWNLOADING, progress.State.UPLOADING})
_FINISHED = frozenset({progress.State.DONE, progress.State.EXISTS, progress.State.UNPACKED})
_HERE = _FINISHED | {progress.State.UNPACKING}
"""States in which all bytes have come."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Row:
    told: progress.Progress
    began: float
    offset: int
    """Bytes that were here when it began to move."""
    speed: float = 0.0


class Bars:
    """Draws on a terminal.

    Args:
        write: takes text with escape sequences.
        size: gives columns and rows of the terminal, which may change.
        colours: whether to use any.
        now: a clock in seconds.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        size: Callable[[], tuple[int, int]],
        *,
        colours: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._size, self._now = write, size, now
        self._colours = _COLOURS if colours else dict.fromkeys(_COLOURS, "")
        self._rows: dict[str, _Row] = {}
        self._drawn = 0
        self._last = float("-inf")

    def report(self, told: progress.Progress) -> None:
        """Note it, and draw when the last drawing is some time ago."""
        row, now = self._rows.get(told.name), self._now()
        if row is None or (told.state in _MOVING and row.told.state not in _MOVING):
            row = self._rows[told.name] = _Row(told=told, began=now, offset=told.done)
        row.told = told
        if told.state in _MOVING and now > row.began:
            row.speed = (told.done - row.offset) / (now - row.began)
        if now - self._last >= _EVERY:
            self.draw()

    def draw(self) -> None:
        """Draw over what was drawn before."""
        columns, rows = self._size()
        lines = self._lines(columns, max(rows - 2, 1))
        back = f"\x1b[{self._drawn}F" if self._drawn else ""
        # Lines that are no longer needed are emptied as well.
        self._write(back + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._drawn, self._last = len(lines), self._now()

    def _lines(self, columns: int, most: int) -> Sequence[str]:
        """What is still going on comes before what is finished, when there is not room for all."""
        rows = list(self._rows.values())
        if len(rows) > most:
            busy = [row for row in rows if row.told.state not in _FINISHED]
            finished = [row for row in rows if row.told.state in _FINISHED]
            shown = [*busy, *finished][: most - 1]
            rows = [row for row in rows if row in shown]
        lines = [self._line(row, columns - 1) for row in rows]
        hidden = len(self._rows) - len(rows)
        return [*lines, f"  and {hidden} more"[: columns - 1]] if hidden else lines

    def _line(self, row: _Row, columns: int) -> str:
        told, colours = row.told, self._colours
        colour = colours["done"] if told.state in _FINISHED else colours["moving"]
        if not told.name.startswith("sha256:"):  # the whole: it has no size
            name = _cut(told.name, columns - _STATE - 1)
            return f"{name} {colour}{told.state.value}{colours['plain']}"
        size = f"{output.size(told.done)} / {output.size(told.total)}" if told.total else ""
        if told.state in _HERE:
            size = output.size(told.total) if told.total else ""
        speed = f"{output.size(int(row.speed))}/s" if told.state in _MOVING and row.speed else ""
        if columns < _NAME + _STATE + 1:
            return f"{colour}{_cut(told.state.value, columns)}{colours['plain']}"
        left = columns - _NAME - _STATE - _SIZE - 3
        line = f"{told.name[7 : 7 + _NAME]} {colour}{told.state.value:<{_STATE}}{colours['plain']}"
        if left - _SPEED - 1 >= _SHORTEST:
            bar = self._bar(told, min(left - _SPEED - 1, _LONGEST), colour)
            return f"{line} {bar} {size:>{_SIZE}} {speed:>{_SPEED}}".rstrip()
        if left >= _SHORTEST:
            return f"{line} {self._bar(told, min(left, _LONGEST), colour)} {size:>{_SIZE}}".rstrip()
        return f"{line} {size}" if columns > _NAME + _STATE + len(size) + 2 else line

    def _bar(self, told: progress.Progress, width: int, colour: str) -> str:
        share = 1.0 if told.state in _HERE else told.done / told.total if told.total else 0.0
        halves = int(min(max(share, 0.0), 1.0) * width * 2)
        full = _FULL * (halves // 2) + _HALF * (halves % 2)
        return f"{colour}{full}{self._colours['dim']}{_EMPTY * (width - len(full))}{self._colours['plain']}"


def _cut(text: str, space: int) -> str:
    return text if len(text) <= space else f"{text[: max(space - 1, 0)]}…"
