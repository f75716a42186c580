"""Words of the command line that mean numbers or environments."""

import re
from collections.abc import Mapping, Sequence

import click

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_LARGEST_ENV_FILE = 1 << 20


class Size(click.ParamType[int]):
    """Bytes: `512m`, `1.5g`, `65536`."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value))
        if not found:
            self.fail(f"{value!r} is no size: write bytes, or a number with k, m, g or t, such as 512m", param, ctx)
        return int(float(found[1]) * _FACTORS[found[2].lower()])


SIZE = Size()


def environment(given: Sequence[str], files: Sequence[str], own: Mapping[str, str]) -> list[str]:
    """`NAME=value` entries of files and then of options; `NAME` alone takes the caller's value, if there is one."""
    entries = [line for path in files for line in _lines(path)]
    found = []
    for entry in [*entries, *given]:
        name, equals, _ = entry.partition("=")
        if equals:
            found.append(entry)
        elif name in own:
            found.append(f"{name}={own[name]}")
    return found


def _lines(path: str) -> list[str]:
    """Entries of a file: one a line, empty lines and those that begin with # left out."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST_ENV_FILE + 1)
    except (OSError, UnicodeDecodeError) as exc:
        raise click.UsageError(f"--env-file {path}: {getattr(exc, 'strerror', None) or 'it is no UTF-8 text'}") from exc
    if len(text) > _LARGEST_ENV_FILE:
        raise click.UsageError(f"--env-file {path}: it is longer than {_LARGEST_ENV_FILE} characters")
    return [line.strip() for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]


def labels(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE`, or `KEY` for an empty value."""
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
