"""Options in runc's manner: `--name value`, `--name=value`, one dash or two, all before the first argument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class UsageError(Exception):
    """The command line makes no sense; the message is runc's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    name: str
    letter: str = ""
    takes_value: bool = True
    repeated: bool = False
    help: str = ""
    default: str = ""

    def usage(self) -> str:
        value = " value" if self.takes_value else ""
        short = f", -{self.letter}{value}" if self.letter else ""
        return f"--{self.name}{value}{short}"


class Values:
    """What was given, by name."""

    def __init__(self, given: Mapping[str, list[str]]) -> None:
        self._given = given

    def text(self, name: str, default: str = "") -> str:
        found = self._given.get(name)
        return found[-1] if found else default

    def all(self, name: str) -> list[str]:
        return list(self._given.get(name, ()))

    def on(self, name: str) -> bool:
        return bool(self._given.get(name)) and self._given[name][-1].lower() not in {"false", "0", "f"}

    def given(self, name: str) -> bool:
        return bool(self._given.get(name))

    def number(self, name: str) -> int | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise UsageError(f'invalid value "{text}" for flag -{name}: parse error') from None


def parse(flags: Sequence[Flag], words: Sequence[str]) -> tuple[Values, list[str]]:
    """The options and the arguments after them; raises UsageError."""
    known = {flag.name: flag for flag in flags} | {flag.letter: flag for flag in flags if flag.letter}
    given: dict[str, list[str]] = {}
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            position += 1
            break
        if len(word) < 2 or not word.startswith("-"):
            break
        name, equals, value = word.lstrip("-").partition("=")
        flag = known.get(name)
        if flag is None:
            raise UsageError(f"flag provided but not defined: -{name}")
        position += 1
        if not flag.takes_value:
            value = value if equals else "true"
        elif not equals:
            if position >= len(words):
                raise UsageError(f"flag needs an argument: -{name}")
            value = words[position]
            position += 1
        given.setdefault(flag.name, []).append(value)
    return Values(given), list(words[position:])
