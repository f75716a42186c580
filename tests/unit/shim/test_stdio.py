"""Output reaches clients whose FIFOs are opened early, late, or closed as soon as the end is told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from boxship.shim import loop, stdio


@pytest.fixture
def events() -> Iterator[loop.Loop]:
    made = loop.Loop()
    yield made
    made.close()


def streams(events: loop.Loop, fifo: Path) -> stdio.Streams:
    names = stdio.Names(stdout=str(fifo))
    made = stdio.Streams(events, None, names, stdio.Owner(id="a", namespace="b"))  # type: ignore[arg-type]
    made.open()
    return made


def write_and_end(made: stdio.Streams, data: bytes) -> None:
    theirs = os.dup(made.given[1])
    made.begin()
    os.write(theirs, data)
    os.close(theirs)


def test_output_is_in_the_fifo_before_anybody_hears_of_the_end(events: loop.Loop, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    reader = os.open(tmp_path / "out", os.O_RDONLY | os.O_NONBLOCK)
    made = streams(events, tmp_path / "out")
    write_and_end(made, b"last words")
    made.process_ended()
    assert os.read(reader, 100) == b"last words"
    assert os.read(reader, 100) == b""
    made.close()
    os.close(reader)


def test_a_reader_that_comes_late_finds_output_and_end(events: loop.Loop, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    made = streams(events, tmp_path / "out")
    write_and_end(made, b"for later")
    found: list[bytes] = []

    def come() -> None:
        reader = os.open(tmp_path / "out", os.O_RDONLY)  # would wait for ever if no writing side were left
        events.watch(reader, loop.IN, lambda _events: read(reader))

    def read(reader: int) -> None:
        found.append(os.read(reader, 100))
        if not found[-1]:
            events.unwatch(reader)
            os.close(reader)
            events.stop()

    made.when_drained(5, come)
    events.run()
    assert found == [b"for later", b""]
    made.close()
