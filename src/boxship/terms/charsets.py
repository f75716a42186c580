"""Sets of characters as regular expressions name them, each a test of one character."""

import unicodedata
from collections.abc import Callable, Iterable

Test = Callable[[str], bool]
"""Whether one character belongs to a set."""


def within(ranges: Iterable[tuple[str, str]]) -> Test:
    pairs = tuple(ranges)
    return lambda letter: any(low <= letter <= high for low, high in pairs)


def without(test: Test) -> Test:
    return lambda letter: not test(letter)


def any_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda letter: any(test(letter) for test in tests)


def folded(test: Test) -> Test:
    return lambda letter: any(
        test(form) for form in (letter, letter.lower(), letter.upper(), letter.upper().lower()) if len(form) == 1
    )


def category(name: str) -> Test | None:
    if name == "Any":
        return lambda _: True
    known = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"}
    known |= {"Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs", *"LMNPSZC"}
    if name not in known:
        return None
    return lambda letter: unicodedata.category(letter).startswith(name)


_DIGIT = within([("0", "9")])
_SPACE = within([("\t", "\n"), ("\f", "\r"), (" ", " ")])
_WORD_LETTER = within([("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")])
PERL = {
    "d": _DIGIT, "D": without(_DIGIT), "s": _SPACE, "S": without(_SPACE), "w": _WORD_LETTER, "W": without(_WORD_LETTER),
}  # fmt: skip
POSIX = {
    "alnum": within([("0", "9"), ("A", "Z"), ("a", "z")]),
    "alpha": within([("A", "Z"), ("a", "z")]),
    "ascii": within([("\0", "\x7f")]),
    "blank": within([("\t", "\t"), (" ", " ")]),
    "cntrl": within([("\0", "\x1f"), ("\x7f", "\x7f")]),
    "digit": _DIGIT,
    "graph": within([("!", "~")]),
    "lower": within([("a", "z")]),
    "print": within([(" ", "~")]),
    "punct": within([("!", "/"), (":", "@"), ("[", "`"), ("{", "~")]),
    "space": within([("\t", "\r"), (" ", " ")]),
    "upper": within([("A", "Z")]),
    "word": _WORD_LETTER,
    "xdigit": within([("0", "9"), ("A", "F"), ("a", "f")]),
}
