"""Keys that leave a terminal, among those that do not."""

import click
import pytest

from boxship.cli import terminals, values

LEAVE = b"\x10\x11"


class Hand:
    """What somebody types, in the pieces in which it comes; then the terminal goes."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def read(self, _):
        return self.pieces.pop(0) if self.pieces else b""


def typed(leaving, *pieces):
    """What goes on to the process, and what was not asked for, because somebody has left."""
    hand = Hand(*pieces)
    watched = terminals.Watched(hand, leaving)
    watched.release()
    passed = b""
    while data := watched.read(100):
        passed += data
    assert watched.left.done()
    return passed, hand.pieces


@pytest.mark.parametrize(
    ("pieces", "passed"),
    [
        ([b"ab", LEAVE, b"never"], b"ab"),
        ([b"ab\x10", b"\x11", b"never"], b"ab"),
        ([b"a\x10", b"b", LEAVE, b"never"], b"a\x10b"),
        ([b"\x10\x10\x11", b"never"], b"\x10"),
        ([b"\x10", b"\x10", b"\x11", b"never"], b"\x10"),
        ([b"ab\x10\x11cd", b"never"], b"ab"),
    ],
)
def test_keys_that_leave(pieces, passed):
    assert typed(LEAVE, *pieces) == (passed, [b"never"])


def test_keys_that_begin_anew():
    assert typed(b"aab", b"a", b"a", b"a", b"b", b"never") == (b"a", [b"never"])


def test_without_any_all_keys_go_through():
    assert typed(b"", b"a\x10", b"\x11b") == (b"a\x10\x11b", [])


@pytest.mark.parametrize(
    ("text", "keys"),
    [("ctrl-p,ctrl-q", LEAVE), ("a", b"a"), ("ctrl-a,D", b"\x01D"), ("ctrl-[", b"\x1b"), ("ctrl-@", b"\0"), ("", b"")],
)
def test_words_for_keys(text, keys):
    assert values.KEYS.convert(text, None, None) == keys


@pytest.mark.parametrize("text", ["ctrl", "ctrl-", "ctrl-1", "ab", ",", "a,", "\u00fc", " "])
def test_words_that_are_none(text):
    with pytest.raises(click.BadParameter, match="is no key"):
        values.KEYS.convert(text, None, None)
