"""Settings of a part: a table from a configuration file becomes a dataclass, and back.

A field may be a str, int, float, bool, Duration, a list of these, a mapping from str to these, or a dataclass of them.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_STEP = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


class BadValue(Exception):
    """A setting cannot have this value.

    Attributes:
        key: the path of the setting, dotted.
        reason: what is wrong with it.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


class Duration(float):
    """Seconds; written as Go writes durations, such as `100ms` or `1m30s`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Raises ValueError."""
        sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
        if rest == "0":
            return cls(0)
        steps = list(_STEP.finditer(rest))
        if not rest or "".join(step.group() for step in steps) != rest:
            raise ValueError(f'"{text}" is no duration, such as "100ms" or "1m30s"')
        return cls(sign * sum(float(step[1]) * _UNITS[step[2]] for step in steps))

    def __str__(self) -> str:
        """As Go prints it."""
        if not self:
            return "0s"
        if self < 0:
            return f"-{Duration(-self)}"
        if self < 1:
            for unit, size in (("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
                if self >= size * 0.9999999:
                    return f"{round(self / size, 6):g}{unit}"
        minutes, seconds = divmod(round(float(self), 9), 60)
        hours, minutes = divmod(int(minutes), 60)
        text = f"{round(seconds, 9):g}s"
        if hours:
            return f"{hours}h{minutes}m{text}"
        return f"{minutes}m{text}" if minutes else text


def read(cls: type[T], table: Mapping[str, Any], where: str = "") -> T:
    """Settings from a table; what the table does not say keeps its default. Unknown keys are passed over.

    Raises:
        BadValue: `key` is `where` and the path below it.
    """
    hints = typing.get_type_hints(cls)
    given = {
        field.name: _value(hints[field.name], table[field.name], _join(where, field.name))
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
        if field.name in table
    }
    try:
        return cls(**given)
    except ValueError as exc:  # a dataclass may check itself in __post_init__
        raise BadValue(where, str(exc)) from exc


def unknown(cls: type[Any], table: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Paths in the table that are no settings."""
    hints = typing.get_type_hints(cls)
    for key, value in table.items():
        if key not in hints:
            yield _join(where, key)
        elif dataclasses.is_dataclass(hints[key]) and isinstance(value, Mapping):
            yield from unknown(typing.cast("type[Any]", hints[key]), value, _join(where, key))


def table(settings: Any) -> dict[str, Any]:
    """The table that `read` makes the settings from."""
    return {field.name: _plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return table(value)
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        return _value(next(each for each in arguments if each is not types.NoneType), value, where)
    if dataclasses.is_dataclass(hint):
        return read(typing.cast("type[Any]", hint), _expect(value, Mapping, "a table", where), where)
    if origin in {list, tuple}:
        items = _expect(value, list, "a list", where)
        return origin(_value(arguments[0], each, f"{where}[{index}]") for index, each in enumerate(items))
    if origin is not None and issubclass(origin, Mapping):
        items = _expect(value, Mapping, "a table", where)
        return {key: _value(arguments[1], each, _join(where, key)) for key, each in items.items()}
    return value if hint is Any else _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Duration:
        try:
            return Duration.parse(_expect(value, str, 'a duration such as "100ms"', where))
        except ValueError as exc:
            raise BadValue(where, str(exc)) from None
    if hint is float:
        return float(_expect(value, int | float, "a number", where))
    names = {str: "a string", int: "a whole number", bool: "true or false"}
    return _expect(value, hint, names[hint], where)


def _expect(value: Any, kind: Any, words: str, where: str) -> Any:
    # In Python a bool is an int; in a configuration file it is none.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadValue(where, f"must be {words}, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value[:80]}"'
    return "a table" if isinstance(value, Mapping) else f"{value!r}"[:80]
