r"""The syntax of regular expressions as RE2 reads them, as a tree.

The syntax is RE2's (https://github.com/google/re2/wiki/Syntax, Perl flags as in Go), except that `\p{...}` knows the
general categories and not the names of scripts. Captures, laziness and the ungreedy flag are read and forgotten: they
change where a match lies, not whether there is one.
"""

import dataclasses
from collections.abc import Iterator

from boxship.terms import charsets, errors

LONGEST = 16 * 1024
DEEPEST = 100
MOST_REPEATS = 1000


def parse(text: str) -> "Node":
    """Raises InvalidArgument naming what RE2 does not accept."""
    return _Parser(text).parse()


@dataclasses.dataclass(slots=True)
class One:
    """One character that passes a test."""

    test: charsets.Test


@dataclasses.dataclass(slots=True)
class At:
    """A place between characters, such as the beginning."""

    kind: str


@dataclasses.dataclass(slots=True)
class Row:
    """One after the other."""

    parts: list["Node"]


@dataclasses.dataclass(slots=True)
class Choice:
    """One out of several."""

    ways: list["Node"]


@dataclasses.dataclass(slots=True)
class Repeat:
    """The same some times over; None is without end."""

    part: "Node"
    least: int
    most: int | None
    counted: bool = False


Node = One | At | Row | Choice | Repeat


_EDGES = {"A": "text begins", "z": "text ends", "b": "word edge", "B": "no word edge"}
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class _Parser:
    """Recursive descent over the text; `at` is the next character."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise errors.InvalidArgument(f"error parsing regexp: expression too large: {len(text)} characters")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise errors.InvalidArgument("error parsing regexp: invalid UTF-8")
        self.text = text
        self.at = 0
        self.depth = 0
        self.flags: frozenset[str] = frozenset()

    def parse(self) -> Node:
        tree = self._choice()
        if self.at < len(self.text):
            raise self._refused("unexpected )", self.text)
        return tree

    def _refused(self, cause: str, what: str) -> errors.InvalidArgument:
        return errors.InvalidArgument(f"error parsing regexp: {cause}: `{what}`")

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _next(self) -> str:
        letter = self._peek()
        self.at += 1
        return letter

    def _take(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def _choice(self) -> Node:
        ways = [self._row()]
        while self._take("|"):
            ways.append(self._row())
        return ways[0] if len(ways) == 1 else Choice(ways)

    def _row(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in {"", "|", ")"}:
            begin = self.at
            parts.extend(self._atom() or ())
            if parts:  # flags make no item, so that in `a(?i)*` the star is about the a
                parts[-1] = self._repeated(parts[-1], begin)
        return Row(parts)

    def _atom(self) -> list[Node] | None:
        """What one item means: its nodes (the last may be repeated), or None when it only sets flags."""
        match letter := self._next():
            case "(":
                return self._group()
            case "[":
                return [One(self._set())]
            case ".":
                return [One((lambda _: True) if "s" in self.flags else (lambda found: found != "\n"))]
            case "^":
                return [At("line begins" if "m" in self.flags else "text begins")]
            case "$":
                return [At("line ends" if "m" in self.flags else "text ends")]
            case "*" | "+" | "?":
                raise self._refused("missing argument to repetition operator", letter)
            case "\\":
                return self._escape()
            case "{":
                self.at -= 1
                counts = self._counts()
                if counts is not None:
                    raise self._refused("missing argument to repetition operator", counts[2])
                self.at += 1
        return [self._literal(letter)]

    def _literal(self, letter: str) -> Node:
        return One(self._fold(charsets.within([(letter, letter)])))

    def _fold(self, test: charsets.Test) -> charsets.Test:
        return charsets.folded(test) if "i" in self.flags else test

    def _group(self) -> list[Node] | None:
        outer = self.flags
        if self._take("?") and not self._named() and not self._flagged():
            return None
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._refused("expression nests too deeply", self.text)
        tree = self._choice()
        self.depth -= 1
        if not self._take(")"):
            raise self._refused("missing closing )", self.text)
        self.flags = outer
        return [tree]

    def _named(self) -> bool:
        begin = self.at
        if not self._take("P<") and not self._take("<"):
            return False
        end = self.text.find(">", self.at)
        name = self.text[self.at : end]
        if end < 0 or not name or not all(letter == "_" or (letter.isascii() and letter.isalnum()) for letter in name):
            raise self._refused("invalid named capture", "(?" + self.text[begin : end + 1 if end >= 0 else None])
        self.at = end + 1
        return True

    def _flagged(self) -> bool:
        """Flags of a group, after "(?". True when a group follows, False when they hold for the rest of this one."""
        begin = self.at
        flags = set(self.flags)
        minus = seen = False
        while letter := self._next():
            if letter in "imsU":
                (flags.discard if minus else flags.add)(letter)
                seen = True
            elif letter == "-" and not minus:
                minus, seen = True, False
            elif letter in ":)" and (seen or not minus):
                if letter == ":":
                    self.flags = frozenset(flags)
                    return True
                self.flags = frozenset(flags)
                return False
            else:
                break
        raise self._refused("invalid or unsupported Perl syntax", "(?" + self.text[begin : self.at])

    def _repeated(self, part: Node, begin: int) -> Node:
        repeats = 0
        while True:
            mark = self.at
            bounds = self._bounds()
            if bounds is None:
                return part
            self._take("?")  # lazy or greedy is all the same to a yes or no
            repeats += 1
            if repeats > 1:
                raise self._refused("invalid nested repetition operator", self.text[begin : self.at])
            part = Repeat(part, *bounds)
            if part.counted and not _countable(part, MOST_REPEATS):
                raise self._refused("invalid repeat count", self.text[mark : self.at])

    def _bounds(self) -> tuple[int, int | None, bool] | None:
        for token, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._take(token):
                return least, most, False
        counts = self._counts()
        return None if counts is None else (counts[0], counts[1], True)

    def _counts(self) -> tuple[int, int | None, str] | None:
        """`{n}`, `{n,}` or `{n,m}` if one stands here; anything else that begins with a brace is a literal."""
        end = self.text.find("}", self.at)
        if self._peek() != "{" or end < 0:
            return None
        token = self.text[self.at : end + 1]
        low, comma, high = token[1:-1].partition(",")
        if not _decimal(low) or not (_decimal(high) or not high):
            return None
        self.at = end + 1
        least = int(low) if len(low) < 5 else MOST_REPEATS + 1
        most = least if not comma else None if not high else int(high) if len(high) < 5 else MOST_REPEATS + 1
        if least > MOST_REPEATS or (most is not None and not least <= most <= MOST_REPEATS):
            raise self._refused("invalid repeat count", token)
        return least, most, token

    def _escape(self) -> list[Node]:
        letter = self._peek()
        if letter in _EDGES and letter:
            self.at += 1
            return [At(_EDGES[letter])]
        if letter == "Q":
            return [self._literal(each) for each in self._quoted()] or [Row([])]
        test = self._named_set()
        return [One(test)] if test is not None else [self._literal(self._character())]

    def _quoted(self) -> Iterator[str]:
        end = self.text.find("\\E", self.at)
        quoted = self.text[self.at + 1 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self.text)
        return iter(quoted)

    def _named_set(self) -> charsets.Test | None:
        r"""`\d`, `\w`, `\pL`, `\p{Lu}` after the backslash."""
        letter = self._peek()
        if letter and letter in charsets.PERL:
            self.at += 1
            return self._fold(charsets.PERL[letter]) if letter in "dsw" else charsets.PERL[letter]
        if not letter or letter not in "pP":
            return None
        begin = self.at
        self.at += 1
        name = self._next()
        if name == "{":
            end = self.text.find("}", self.at)
            name, self.at = self.text[self.at : max(end, self.at)], end + 1 if end >= 0 else len(self.text) + 1
        test = charsets.category(name.removeprefix("^"))
        if test is None:
            raise self._refused("invalid character class range", "\\" + self.text[begin : self.at])
        test = self._fold(test)
        return charsets.without(test) if (letter == "P") != name.startswith("^") else test

    def _character(self) -> str:
        """One escaped character, after the backslash."""
        begin = self.at - 1
        letter = self._next()
        if not letter:
            raise errors.InvalidArgument("error parsing regexp: trailing backslash at end of expression: ``")
        if letter == "x":
            return self._hexadecimal(begin)
        if letter == "0" or (letter in "1234567" and self._peek() in set("01234567")):
            digits = letter
            while len(digits) < 3 and self._peek() in set("01234567"):
                digits += self._next()
            return chr(int(digits, 8))
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter.isascii() and not letter.isalnum():
            return letter
        raise self._refused("invalid escape sequence", self.text[begin : self.at])

    def _hexadecimal(self, begin: int) -> str:
        if self._take("{"):
            end = self.text.find("}", self.at)
            digits = self.text[self.at : end] if end >= 0 else ""
            self.at = end + 1
        else:
            digits = self.text[self.at : self.at + 2]
            self.at += 2
            if len(digits) < 2:
                digits = ""
        if (
            not digits
            or len(digits.lstrip("0")) > 6
            or not set(digits) <= set("0123456789abcdefABCDEF")
            or int(digits, 16) > 0x10FFFF
        ):
            raise self._refused("invalid escape sequence", self.text[begin : max(self.at, begin + 2)])
        return chr(int(digits, 16))

    def _set(self) -> charsets.Test:
        begin = self.at - 1
        negated = self._take("^")
        tests: list[charsets.Test] = []
        first = True
        while first or self._peek() != "]":
            first = False
            if not self._peek():
                raise self._refused("missing closing ]", self.text[begin:])
            tests.append(self._posix() or self._item(begin))
        self.at += 1
        found = charsets.any_of(tests)
        return charsets.without(found) if negated else found

    def _posix(self) -> charsets.Test | None:
        end = self.text.find(":]", self.at + 2)
        if not self.text.startswith("[:", self.at) or end < 0:
            return None
        token = self.text[self.at : end + 2]
        name = token[2:-2]
        test = charsets.POSIX.get(name.removeprefix("^"))
        if test is None:
            raise self._refused("invalid character class range", token)
        self.at = end + 2
        test = self._fold(test)
        return charsets.without(test) if name.startswith("^") else test

    def _item(self, begin: int) -> charsets.Test:
        mark = self.at
        if self._take("\\"):
            test = self._named_set()
            if test is not None:
                return test
            self.at = mark
        low = high = self._member(begin)
        if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in {"", "]"}:
            self.at += 1
            high = self._member(begin)
            if high < low:
                raise self._refused("invalid character class range", self.text[mark : self.at])
        return self._fold(charsets.within([(low, high)]))

    def _member(self, begin: int) -> str:
        if not self._peek():
            raise self._refused("missing closing ]", self.text[begin:])
        return self._character() if self._take("\\") else self._next()


def _decimal(text: str) -> bool:
    """As RE2 reads numbers: ASCII digits without a leading zero."""
    return text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))


def _countable(node: Node, left: int) -> bool:
    """Counted repeats inside counted repeats multiply, and the product has a limit too."""
    match node:
        case Repeat():
            if node.counted:
                times = node.least if node.most is None else node.most
                if node.most == 0:
                    return True
                if times > left:
                    return False
                left //= max(times, 1)
            return _countable(node.part, left)
        case Row():
            return all(_countable(part, left) for part in node.parts)
        case Choice():
            return all(_countable(way, left) for way in node.ways)
        case _:
            return True
