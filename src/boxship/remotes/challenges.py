"""WWW-Authenticate: what a server wants to be convinced (RFC 9110, 11.6.1)."""

import dataclasses
from collections.abc import Mapping, Sequence

_TOKEN_LETTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One entry of WWW-Authenticate; `scheme` and the parameters' names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse(texts: Sequence[str]) -> list[Challenge]:
    """Challenges out of the values of WWW-Authenticate. What is malformed ends the list; it is a stranger's text."""
    return [challenge for text in texts for challenge in _Challenges(text[:8192]).read()]


class _Challenges:
    """`Bearer realm="...",service="..." , Basic realm="..."`: commas part both challenges and parameters."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> list[Challenge]:
        found: list[Challenge] = []
        parameters: dict[str, str] = {}
        while True:
            self._skip(" \t,")
            word = self._word()
            if not word:
                return found
            self._skip(" \t")
            if self._take("="):
                if not found:
                    return found
                self._skip(" \t")
                value = self._value()
                if value is None:
                    return found
                parameters.setdefault(word.lower(), value)
            else:
                parameters = {}
                found.append(Challenge(scheme=word.lower(), parameters=parameters))

    def _skip(self, letters: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in letters:
            self._at += 1

    def _take(self, letter: str) -> bool:
        if not self._text.startswith(letter, self._at):
            return False
        self._at += 1
        return True

    def _word(self) -> str:
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] in _TOKEN_LETTERS:
            self._at += 1
        return self._text[begin : self._at]

    def _value(self) -> str | None:
        if not self._take('"'):
            return self._word()
        value = ""
        while self._at < len(self._text):
            letter = self._text[self._at]
            self._at += 1
            if letter == '"':
                return value
            if letter == "\\" and self._at < len(self._text):
                letter = self._text[self._at]
                self._at += 1
            value += letter
        return None
