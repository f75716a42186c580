import pytest

from boxship.testing.metadata import Remembering, open_database

SECOND = 10**9
START = 1_700_000_000 * SECOND


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += int(seconds * SECOND)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return Remembering()


@pytest.fixture
def reopened(tmp_path, clock, told):
    """Opens the book in the same folder each time it is called: a context manager."""

    def reopen(**options):
        return open_database(tmp_path, publisher=told, clock=clock, **options)

    return reopen


@pytest.fixture
def book(reopened):
    with reopened() as opened:
        yield opened
