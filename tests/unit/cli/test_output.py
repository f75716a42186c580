import io

import pytest

from boxship.cli import output, world


class Screen(io.TextIOWrapper):
    """A terminal of the width that it is given; without one a file."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n")

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode()


def around():
    return world.World(stdin=Screen(), stdout=Screen(), stderr=Screen(), environment={})


@pytest.mark.parametrize(
    ("count", "words"),
    [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"),
     (5 << 30, "5.0 GiB"), (3 << 40, "3.0 TiB"), (1 << 52, "4096.0 TiB")],
)  # fmt: skip
def test_sizes(count, words):
    assert output.size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (1, "1 second ago"), (59, "59 seconds ago"), (60, "1 minute ago"), (7200, "2 hours ago"),
     (86_400, "1 day ago"), (40 * 86_400, "1 month ago"), (800 * 86_400, "2 years ago"), (-5, "just now")],
)  # fmt: skip
def test_ages(seconds, words):
    now = 1_700_000_000_000_000_000
    assert output.ago(now - seconds * 1_000_000_000, now) == words


def test_moments():
    assert output.when(None) is None
    assert output.when(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456789Z"
    assert output.ago(None) == "-"


def test_labels():
    assert output.labels({}) == "-"
    assert output.labels({"b": "2", "a": "1"}) == "a=1,b=2"


def test_a_table_in_a_file_is_never_cut():
    to = around()
    output.show(to, [{"a": "x" * 500, "b": None}, {"a": "y", "b": 7}], {"a": "A", "b": "B"}, "table")
    head, first, second = to.stdout.text().splitlines()
    assert head == f"A{' ' * 501}B"
    assert first == f"{'x' * 500}  -"
    assert second == f"y{' ' * 501}7"


@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_a_table_fits_its_terminal(width):
    cells = [["NAME", "IMAGE", "STATUS"], ["n" * 40, "i" * 30, "running"], ["short", "box", "exited (3) 5 minutes ago"]]
    lines = output._aligned(cells, width)
    assert max(map(len, lines)) <= width
    assert sum("…" in line for line in lines) >= 1
    starts = [line.index(word) for line, word in zip(lines, ("IMAGE", "i", "box"), strict=True)]
    assert len(set(starts)) == 1


def test_the_first_column_keeps_more():
    (line,) = output._aligned([["n" * 60, "i" * 60, "s" * 60]], 80)
    first, second, third = line.split()
    assert len(first) >= 1.8 * len(second) >= 1.8 * len(third) - 2


def test_what_would_steer_a_terminal_is_not_printed():
    to = around()
    output.show(to, [{"a": "red\x1b[31m\nline"}], {"a": "A"}, "table")
    assert to.stdout.text() == "A\nred?[31m?line\n"


def test_json_keeps_all():
    to = around()
    output.show(to, iter([{"a": "ü\x1b", "b": [1], "c": None}]), {"a": "A"}, "json")
    assert to.stdout.text() == '[\n  {\n    "a": "ü\\u001b",\n    "b": [\n      1\n    ],\n    "c": null\n  }\n]\n'
