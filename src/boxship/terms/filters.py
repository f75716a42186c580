r"""Which objects a client asks for: containerd's filter language.

    filter    := selector ("," selector)*               all of them must hold
    selector  := fieldpath [operator value]             a bare path asks whether the field is there
    fieldpath := field ("." field)*
    field     := quoted | [A-Za-z0-9_]+
    operator  := "==" | "!=" | "~="
    value     := quoted | [^\s,]+
    quoted    := a Go string in "..."; after "~=" also |...| or /.../

Several filters are alternatives. `~=` holds an RE2 expression; one that RE2 refuses matches nothing, as in containerd.

    name==docker.io/library/alpine:latest
    labels."containerd.io/gc.root",kind!=view
    topic~=|^/tasks/|
"""

import dataclasses
import enum
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from boxship.terms import errors

if TYPE_CHECKING:
    from boxship.terms import patterns

Field = Callable[[Sequence[str]], str | None]
"""How a filter asks an object: a field path, answered with its value, or None when it is absent."""


class Operator(enum.Enum):
    PRESENT = ""
    EQUAL = "=="
    NOT_EQUAL = "!="
    MATCHES = "~="


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One condition on one field."""

    path: tuple[str, ...]
    operator: Operator
    value: str = ""

    def matches(self, field: Field) -> bool:
        found = field(self.path)
        match self.operator:
            case Operator.PRESENT:
                return found is not None
            case Operator.EQUAL:
                return found is not None and found == self.value
            case Operator.NOT_EQUAL:
                return (found or "") != self.value
            case Operator.MATCHES:
                pattern = _pattern(self.value)
                return pattern is not None and pattern.found_in(found or "")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Alternatives, each a row of selectors which must all hold. An empty row holds for everything."""

    alternatives: tuple[tuple[Selector, ...], ...]

    def matches(self, field: Field) -> bool:
        return any(all(selector.matches(field) for selector in row) for row in self.alternatives)


EVERYTHING = Filter(alternatives=((),))


def parse(text: str) -> Filter:
    """Read one filter; an empty text matches everything.

    Raises InvalidArgument in containerd's words, with the place marked: `filters: parse error: [x >|=|< ]: ...`.
    """
    if not text:
        return EVERYTHING
    return Filter(alternatives=(_Parser(text).selectors(),))


def parse_all(texts: Iterable[str]) -> Filter:
    """Read alternatives; none at all match everything. Raises InvalidArgument as `parse` does."""
    rows = [row for text in texts for row in parse(text).alternatives]
    return Filter(alternatives=tuple(rows)) if rows else EVERYTHING


@functools.lru_cache(maxsize=64)
def _pattern(text: str) -> "patterns.Pattern | None":
    from boxship.terms import patterns  # few filters hold an expression

    try:
        return patterns.Pattern(text)
    except errors.InvalidArgument:
        return None


class _Kind(enum.Enum):
    END = enum.auto()
    QUOTED = enum.auto()
    VALUE = enum.auto()
    FIELD = enum.auto()
    SEPARATOR = enum.auto()
    OPERATOR = enum.auto()
    ILLEGAL = enum.auto()
    OTHER = enum.auto()


_QUOTES = frozenset('/|"')
_DIGITS = {letter: int(letter, 16) for letter in "0123456789abcdefABCDEF"}
_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}


class _Illegal(Exception):
    """The scanner met what is no token; its text is for the parser's error."""


class _Scanner:
    """Cuts a filter into tokens. What a letter means depends on whether an operator was just read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._expects_value = False

    def peek(self) -> str:
        """The next letter, or "" at the end. Raises _Illegal."""
        letter = self.text[self.at : self.at + 1]
        if letter == "\0":
            raise _Illegal("unexpected null")
        if letter == "\ufffd" or "\ud800" <= letter <= "\udfff":
            raise _Illegal("rune error")
        return letter

    def scan(self) -> tuple[int, _Kind, str]:
        """The next token: where it begins, what it is, its text. Raises _Illegal."""
        while (letter := self.peek()) and _is_space(letter):
            self.at += 1
        begin = self.at
        self.at += len(letter)
        kind = self._scan(letter)
        return begin, kind, self.text[begin : self.at]

    def _scan(self, letter: str) -> _Kind:
        if not letter:
            return _Kind.END
        if letter in _QUOTES:
            self._scan_quoted(letter)
            return _Kind.QUOTED
        if letter in ",.":
            self._expects_value = False
            return _Kind.SEPARATOR
        if letter in "=!~":
            self._skip_while(lambda each: each in "=!~")
            self._expects_value = True
            return _Kind.OPERATOR
        if self._expects_value:
            self._skip_while(_is_value)
            self._expects_value = False
            return _Kind.VALUE
        if _is_field(letter):
            self._skip_while(_is_field)
            return _Kind.FIELD
        return _Kind.OTHER

    def _skip_while(self, test: Callable[[str], bool]) -> None:
        while self.at < len(self.text) and test(self.text[self.at]):
            self.at += 1

    def _scan_quoted(self, quote: str) -> None:
        """Go on to the closing quote. The first thing that is wrong is the one to tell."""
        illegal = ""
        while (letter := self.peek()) != quote:
            self.at += 1
            if letter in {"", "\n"}:
                raise _Illegal(illegal or "quoted literal not terminated")
            if letter == "\\":
                illegal = illegal or self._scan_escape(quote)
        self.at += 1
        if illegal:
            raise _Illegal(illegal)

    def _scan_escape(self, quote: str) -> str:
        letter = self.text[self.at : self.at + 1]
        if letter and (letter in _ESCAPES or letter == quote):
            self.at += 1
            return ""
        base, count = {"x": (16, 2), "u": (16, 4), "U": (16, 8)}.get(letter, (8, 3))
        if base == 16:
            self.at += 1
        elif letter not in set("01234567"):
            return "illegal escape sequence"
        for _ in range(count):
            if _DIGITS.get(self.text[self.at : self.at + 1], 16) >= base:
                return "illegal numeric escape sequence"
            self.at += 1
        return ""


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.scanner = _Scanner(text)

    def selectors(self) -> tuple[Selector, ...]:
        found = [self._selector()]
        while letter := self._peek():
            if letter != ",":
                raise self._refused(self.scanner.at, f"unexpected input: {letter}")
            self.scanner.scan()
            found.append(self._selector())
        return tuple(found)

    def _refused(self, at: int, cause: str) -> errors.InvalidArgument:
        place = f"[{self.text}]"
        if at < len(self.text):
            place = f"[{self.text[:at]} >|{self.text[at]}|< {self.text[at + 1 :]}]"
        return errors.InvalidArgument(f"filters: parse error: {place}: {cause}")

    def _peek(self) -> str:
        try:
            return self.scanner.peek()
        except _Illegal as exc:
            raise self._refused(self.scanner.at, str(exc)) from None

    def _scan(self) -> tuple[int, _Kind, str]:
        begin = self.scanner.at
        try:
            return self.scanner.scan()
        except _Illegal as exc:
            while begin < len(self.text) and _is_space(self.text[begin]):
                begin += 1
            raise self._refused(begin, str(exc)) from None

    def _selector(self) -> Selector:
        path = [self._field()]
        while self._peek() == ".":
            self.scanner.scan()
            path.append(self._field())
        if self._peek() in {"", ","}:
            return Selector(path=tuple(path), operator=Operator.PRESENT)
        operator = self._operator()
        return Selector(path=tuple(path), operator=operator, value=self._value(operator))

    def _field(self) -> str:
        at, kind, token = self._scan()
        if kind is _Kind.QUOTED:
            return self._unquote(at, token, expression=False)
        if kind is not _Kind.FIELD:
            raise self._refused(at, "expected field or quoted")
        return token

    def _operator(self) -> Operator:
        at, kind, token = self._scan()
        if kind is not _Kind.OPERATOR:
            raise self._refused(at, 'expected an operator ("=="|"!="|"~=")')
        try:
            return Operator(token)
        except ValueError:
            raise self._refused(at, f'unsupported operator "{token}"') from None

    def _value(self, operator: Operator) -> str:
        at, kind, token = self._scan()
        if kind is _Kind.QUOTED:
            return self._unquote(at, token, expression=operator is Operator.MATCHES)
        if kind not in {_Kind.VALUE, _Kind.FIELD}:
            raise self._refused(at, "expected value or quoted")
        return token

    def _unquote(self, at: int, token: str, *, expression: bool) -> str:
        if token[0] != '"' and not expression:
            raise self._refused(at, "invalid quote encountered")
        value = _unquoted(token[1:-1])
        if value is None:
            raise self._refused(at, "unquoting failed: quote syntax error")
        return value


def _unquoted(text: str) -> str | None:
    """The text that a scanned Go string stands for, or None when a number in it names no character.

    Escapes by number name bytes, so the whole is put together as bytes; what is no UTF-8 becomes lone surrogates,
    which equal nothing that a client can send.
    """
    if "\\" not in text:
        return text
    out = bytearray()
    at = 0
    while at < len(text):
        letter = text[at]
        if letter != "\\":
            out += letter.encode()
            at += 1
            continue
        letter = text[at + 1]
        if letter in "01234567":
            number, at = int(text[at + 1 : at + 4], 8), at + 4
            if number > 255:
                return None
            out.append(number)
        elif letter in "xuU":
            width = {"x": 2, "u": 4, "U": 8}[letter]
            number, at = int(text[at + 2 : at + 2 + width], 16), at + 2 + width
            if number > 0x10FFFF:
                return None
            out += bytes([number]) if letter == "x" else _utf8(number)
        else:
            out.append(_ESCAPES.get(letter, ord(letter)))
            at += 2
    return out.decode(errors="surrogateescape")


def _utf8(number: int) -> bytes:
    return ("\ufffd" if 0xD800 <= number <= 0xDFFF else chr(number)).encode()


def _is_field(letter: str) -> bool:
    return letter == "_" or (letter.isascii() and letter.isalnum())


def _is_space(letter: str) -> bool:
    r"""Go's unicode.IsSpace, which does not know the separators \x1c to \x1f."""
    return letter.isspace() and not "\x1c" <= letter <= "\x1f"


def _is_value(letter: str) -> bool:
    return letter not in {",", "\ufffd"} and letter.isprintable() and not _is_space(letter)
