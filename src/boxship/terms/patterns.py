"""Regular expressions of RE2's kind, answering one question in linear time: does it match anywhere in a text?

Filters carry expressions which any client may choose, so Python's backtracking `re` is no engine for them: it accepts
what containerd refuses (backreferences, look-around, possessive repeats), and an expression of twenty letters stops it
for hours. Here an expression becomes a machine of states (Thompson), and a match is one walk over the text; sets of
states met before are remembered, so that the walk costs a dictionary look-up per character.
"""

import dataclasses

from boxship.terms import charsets, errors, expressions

MOST_STATES = 20_000
_MOST_REMEMBERED = 100_000


class Pattern:
    """An expression that was understood; `found_in` may be called by many threads."""

    def __init__(self, text: str) -> None:
        """Raises InvalidArgument naming what RE2 does not accept."""
        self.text = text
        self._steps, self._start = _assemble(expressions.parse(text))
        self._moves: dict[tuple[frozenset[int], str, str], frozenset[int] | None] = {}
        self._weight = 0

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def found_in(self, text: str) -> bool:
        states: frozenset[int] = frozenset()
        before = _EDGE
        for letter in text:
            moved = self._move(states, before, letter)
            if moved is None:
                return True
            states, before = moved, _side(letter)
        return self._move(states, before, "") is None

    def _move(self, states: frozenset[int], before: str, letter: str) -> frozenset[int] | None:
        """The states after `letter` ("" is the end of the text), or None once the expression has matched."""
        key = (states, before, letter)
        try:
            return self._moves[key]
        except KeyError:
            pass
        moved = self._compute(states, before, letter)
        self._weight += 1 + len(states) + len(moved or ())
        if self._weight > _MOST_REMEMBERED:
            self._moves.clear()
            self._weight = 0
        self._moves[key] = moved
        return moved

    def _compute(self, states: frozenset[int], before: str, letter: str) -> frozenset[int] | None:
        after = _side(letter) if letter else _EDGE
        reached: set[int] = set()
        waiting = [self._start, *states]
        moved: set[int] = set()
        while waiting:
            index = waiting.pop()
            if index in reached:
                continue
            reached.add(index)
            step = self._steps[index]
            match step:
                case _Fork():
                    waiting.extend(step.ways)
                case _Edge():
                    if _holds(step.kind, before, after):
                        waiting.append(step.then)
                case _Letter():
                    if letter and step.test(letter):
                        moved.add(step.then)
                case _:
                    return None
        return frozenset(moved)


# What stands on one side of a position: the text's edge, a line feed, a letter of a word, something else.
_EDGE, _LINE, _WORD, _OTHER = "edge", "line", "word", "other"


def _side(letter: str) -> str:
    if letter == "\n":
        return _LINE
    return _WORD if letter == "_" or (letter.isascii() and letter.isalnum()) else _OTHER


def _holds(kind: str, before: str, after: str) -> bool:
    match kind:
        case "text begins":
            return before == _EDGE
        case "text ends":
            return after == _EDGE
        case "line begins":
            return before in {_EDGE, _LINE}
        case "line ends":
            return after in {_EDGE, _LINE}
        case "word edge":
            return (before == _WORD) != (after == _WORD)
        case _:
            return (before == _WORD) == (after == _WORD)


# The steps of the machine. A step knows by index where it goes on.


@dataclasses.dataclass(slots=True)
class _Letter:
    """Go on when the next character passes."""

    test: charsets.Test
    then: int


@dataclasses.dataclass(slots=True)
class _Edge:
    """Go on when this is such a place."""

    kind: str
    then: int


@dataclasses.dataclass(slots=True)
class _Fork:
    """Go on in several ways."""

    ways: list[int]


_Step = _Letter | _Edge | _Fork | None  # None: matched


def _assemble(tree: expressions.Node) -> tuple[list[_Step], int]:
    steps: list[_Step] = [None]
    return steps, _emit(steps, tree, 0)


def _put(steps: list[_Step], step: _Step) -> int:
    if len(steps) >= MOST_STATES:
        raise errors.InvalidArgument("error parsing regexp: expression too large")
    steps.append(step)
    return len(steps) - 1


def _emit(steps: list[_Step], node: expressions.Node, then: int) -> int:
    """Add the steps of a node, which go on at `then`; the index where they begin."""
    match node:
        case expressions.One():
            return _put(steps, _Letter(node.test, then))
        case expressions.At():
            return _put(steps, _Edge(node.kind, then))
        case expressions.Row():
            for part in reversed(node.parts):
                then = _emit(steps, part, then)
            return then
        case expressions.Choice():
            return _put(steps, _Fork([_emit(steps, way, then) for way in node.ways]))
        case expressions.Repeat():
            return _emit_repeat(steps, node, then)


def _emit_repeat(steps: list[_Step], node: expressions.Repeat, then: int) -> int:
    if node.most is None:
        loop = _Fork([])
        begin = _put(steps, loop)
        loop.ways = [_emit(steps, node.part, begin), then]
        tail = begin
    else:
        tail = then
        for _ in range(node.most - node.least):
            tail = _put(steps, _Fork([_emit(steps, node.part, tail), then]))
    for _ in range(node.least):
        tail = _emit(steps, node.part, tail)
    return tail
