"""How results look: tables for people, JSON for programs, sizes and ages in words."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from boxship.cli import world

Row = Mapping[str, Any]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SPANS = ((31_536_000, "year"), (2_592_000, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_NARROWEST = 8


def format_option(command: Any) -> Any:
    """The option `--format table|json` that every listing has."""
    return click.option(
        "--format", "style", type=click.Choice(["table", "json"]), default="table", help="How to print [table]."
    )(command)


def json_option(command: Any) -> Any:
    """The option `--format json` of commands that print JSON anyhow, for those who write it everywhere."""
    return click.option(
        "--format", "style", type=click.Choice(["json"]), default="json", hidden=True, expose_value=False
    )(command)


def show_names(around: world.World, names: Sequence[str], rows: Sequence[Row], style: str) -> None:
    """Print what was made: a line each, or with JSON all about it."""
    if style == "json":
        show_json(around, rows)
        return
    for name in names:
        around.print(name)


def show(around: world.World, rows: Iterable[Row], columns: Mapping[str, str], style: str) -> None:
    """Print rows.

    Args:
        around: where to.
        rows: values by key; JSON prints all of them as they are.
        columns: for the table, titles by key, in order.
        style: `table` or `json`.
    """
    if style == "json":
        show_json(around, list(rows))
        return
    cells = [list(columns.values())]
    cells += [[_text(row.get(key)) for key in columns] for row in rows]
    for line in _aligned(cells, around.width):
        around.print(line)


def show_json(around: world.World, value: Any) -> None:
    around.print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def size(count: int | None) -> str:
    """Bytes in words: `12.3 MiB`."""
    if count is None:
        return "-"
    number, unit = float(count), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def ago(moment: int | None, now: int | None = None) -> str:
    """How long ago a moment was, both in nanoseconds since the epoch: `3 minutes ago`."""
    if moment is None:
        return "-"
    seconds = max(0, ((time.time_ns() if now is None else now) - moment) // 1_000_000_000)
    for length, name in _SPANS:
        if seconds >= length:
            count = seconds // length
            return f"{count} {name}{'s' if count != 1 else ''} ago"
    return "just now"


def when(moment: int | None) -> str | None:
    """A moment as RFC 3339 in UTC, for JSON."""
    if moment is None:
        return None
    seconds, rest = divmod(moment, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def labels(values: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(values.items())) or "-"


def _text(value: Any) -> str:
    text = "-" if value is None or value == "" else str(value)
    return "".join(char if char.isprintable() else "?" for char in text)


def _aligned(cells: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns side by side; when they do not fit the terminal, the widest are cut, with `…` where they are.

    The first column, which people copy from, keeps twice the room of another.
    """
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        weights = [widths[0] / 2, *widths[1:]]
        widths[weights.index(max(weights))] -= 1
    return [
        "  ".join(_cut(cell, space).ljust(space) for cell, space in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _cut(text: str, space: int) -> str:
    return text if len(text) <= space else f"{text[: space - 1]}…"
