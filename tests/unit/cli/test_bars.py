import re

import pytest

from boxship.cli import bars
from boxship.plugins.transfer import progress

DIGESTS = [f"sha256:{digit * 64}" for digit in "0123456789"]
State = progress.State


class Screen:
    """Understands as much of a terminal as bars use: the cursor goes up, and what is behind it is emptied."""

    def __init__(self, columns=80, rows=24):
        self.columns, self.rows = columns, rows
        self.lines, self.at, self.now = [], 0, 0.0

    def write(self, text):
        for piece in re.findall(r"\x1b\[\d*F|\x1b\[J|[^\n\x1b]*(?:\x1b\[\d*[mK][^\n\x1b]*)*\n", text):
            if piece.endswith("F"):
                self.at -= int(piece[2:-1])
                assert self.at >= 0
            elif piece.endswith("J"):
                del self.lines[self.at :]
            else:
                plain = re.sub(r"\x1b\[\d*[mK]|\n", "", piece)
                assert len(plain) < self.columns
                self.lines[self.at : self.at + 1] = [plain]
                self.at += 1

    def bars(self, **how):
        return bars.Bars(self.write, lambda: (self.columns, self.rows), now=lambda: self.now, **how)


def told(name, state, done=0, total=0):
    return progress.Progress(name=name, state=state, done=done, total=total)


def test_a_transfer_from_start_to_end():
    screen = Screen()
    shown = screen.bars()
    shown.report(told("box:latest", State.RESOLVING))
    assert screen.lines == ["box:latest resolving"]
    screen.now = 1
    shown.report(told(DIGESTS[1], State.DOWNLOADING, 0, 4 << 20))
    screen.now = 2
    shown.report(told(DIGESTS[1], State.DOWNLOADING, 1 << 20, 4 << 20))
    name, state, bar, done, unit, of, total, total_unit, speed, speed_unit = screen.lines[1].split()
    assert (name, state) == ("1" * 12, "downloading")
    assert (done, unit, of, total, total_unit) == ("1.0", "MiB", "/", "4.0", "MiB")
    assert (speed, speed_unit) == ("1.0", "MiB/s")
    assert bar.count("━") == pytest.approx(len(bar) / 4, abs=1)
    screen.now = 3
    shown.report(told(DIGESTS[1], State.UNPACKED, 0, 4 << 20))
    shown.report(told("box:latest", State.DONE))
    shown.draw()
    assert screen.lines[0] == "box:latest done"
    assert screen.lines[1].split() == ["1" * 12, "unpacked", "━" * len(bar), "4.0", "MiB"]


def test_what_was_here_already_does_not_count_for_the_speed():
    screen = Screen()
    shown = screen.bars()
    shown.report(told(DIGESTS[1], State.DOWNLOADING, 90 << 20, 100 << 20))
    screen.now = 2
    shown.report(told(DIGESTS[1], State.DOWNLOADING, 94 << 20, 100 << 20))
    assert screen.lines[0].endswith(" 2.0 MiB/s")


def test_it_is_not_drawn_too_often():
    screen = Screen()
    shown = screen.bars()
    shown.report(told(DIGESTS[1], State.DOWNLOADING, 0, 100))
    for done in range(1, 100):
        screen.now += 0.001
        shown.report(told(DIGESTS[1], State.DOWNLOADING, done, 100))
    assert " 99 B" not in screen.lines[0]
    shown.draw()
    assert " 99 B / 100 B" in screen.lines[0]


@pytest.mark.parametrize("columns", [20, 30, 40, 60, 80, 120, 300])
def test_no_line_is_longer_than_the_terminal(columns):
    screen = Screen(columns=columns)
    shown = screen.bars()
    shown.report(told("registry.example.com/a/very/long/name/of/an/image:v1.2.3-alpha", State.RESOLVING))
    for place, state in enumerate(State):
        shown.report(told(DIGESTS[place], state, 1 << 29, 1 << 30))
    screen.now = 1
    shown.draw()  # the screen has checked every line
    assert len(screen.lines) == 1 + len(State)


def test_columns_stand_below_each_other():
    screen = Screen()
    shown = screen.bars()
    for place, state in enumerate(State):
        shown.report(told(DIGESTS[place], state, 3, 1 << (place * 4)))
    shown.draw()
    assert len({re.search("[━╸─]", line).start() for line in screen.lines}) == 1


def test_where_there_is_no_room_the_busy_ones_are_shown():
    screen = Screen(rows=6)
    shown = screen.bars()
    for digest in DIGESTS[:8]:
        shown.report(told(digest, State.DONE, 5, 5))
    shown.report(told(DIGESTS[8], State.DOWNLOADING, 1, 5))
    shown.report(told(DIGESTS[9], State.DOWNLOADING, 1, 5))
    shown.draw()
    assert len(screen.lines) == 4
    assert [line[:1] for line in screen.lines] == ["0", "8", "9", " "]
    assert screen.lines[-1] == "  and 7 more"


def test_a_terminal_that_shrinks():
    screen = Screen(columns=120)
    shown = screen.bars()
    shown.report(told(DIGESTS[1], State.DOWNLOADING, 1, 5))
    screen.columns = 50
    shown.draw()
    assert len(screen.lines) == 1


def test_without_colours():
    written = []
    shown = bars.Bars(written.append, lambda: (80, 24), colours=False)
    shown.report(told(DIGESTS[1], State.DOWNLOADING, 1, 5))
    shown.draw()
    assert not re.search(r"\x1b\[\d*m", "".join(written))
