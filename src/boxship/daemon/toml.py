"""Writing TOML (toml.io/en/v1.0.0): the standard library only reads it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def dumps(table: Mapping[str, Any]) -> str:
    """A document, tables indented as containerd prints them. Values that are None are left out."""
    return "\n".join(_table(table, (), 0)).strip("\n") + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...], depth: int) -> Iterator[str]:
    indent = "  " * depth
    below = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            below[key] = value
        elif value is not None:
            yield f"{indent}{_key(key)} = {_value(value)}"
    for key, value in below.items():
        yield ""
        inner = "  " * len(path)
        yield f"{inner}[{'.'.join(_key(part) for part in (*path, key))}]"
        yield from _table(value, (*path, key), len(path) + 1)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + "}"
    return "[" + ", ".join(_value(each) for each in value) + "]"
