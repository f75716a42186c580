"""How much of ctr was used, on a client of three commands."""

import pytest
from compat.ctr import surface

KNOWN = surface.Surface(
    commands={
        ("run",): ("run",),
        ("events",): ("events",),
        ("images", "list"): ("images", "list"),
        ("i", "ls"): ("images", "list"),
    },
    options={"rm": ("rm", False), "tty": ("tty", False), "t": ("tty", False), "cwd": ("cwd", True)},
)


def _call(line: str, code: int = 0) -> surface.Call:
    return surface.Call(words=tuple(line.split()), code=code)


@pytest.mark.parametrize(
    ("line", "path", "rest"),
    [
        ("images list -q", ("images", "list"), ["-q"]),
        ("-n other --debug i --snapshotter native ls x", ("images", "list"), ["x"]),
        ("run --rm image id ls", ("run",), ["--rm", "image", "id", "ls"]),
        ("images nonsense", (), []),
        ("--version", (), []),
    ],
)
def test_which_command_is_called(line: str, path: tuple[str, ...], rest: list[str]) -> None:
    assert KNOWN.command(_call(line)) == (path, rest)


def test_options_end_at_the_first_word_that_is_none() -> None:
    given = KNOWN.given(["--rm=x", "-t", "--cwd", "/a", "--cwd=/b", "--other", "image", "--cwd", "/c"])
    assert list(given) == [("rm", "x"), ("tty", ""), ("cwd", "/a"), ("cwd", "/b")]


def test_calls_are_read_from_a_line() -> None:
    line = "ctr i ls | wc -l; (ctr run --rm x y true) && script -c 'ctr events' /dev/null"
    assert [" ".join(call.words) for call in surface.written(line)] == ["i ls", "run --rm x y true", "events"]


def test_what_is_missing() -> None:
    calls = [_call("run --rm --cwd /a x"), _call("run --rm --cwd b x", 1), _call("events", 143), _call("i ls", 1)]
    assert surface.missing(KNOWN, calls) == [
        "ctr run --tty",
        "ctr events: never was refused",
        "ctr images list: never succeeded",
        "ctr run --rm: no value was refused",
        "ctr run --tty: never succeeded",
        "ctr run --tty: no value was refused",
    ]
