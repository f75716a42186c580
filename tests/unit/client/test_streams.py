import io
import os
import threading
import time

import pytest

from boxship.client import streams


def shim(laid, *, output=b"", errors=b"", opened=None):
    """What a shim does with the FIFOs, in a thread: opens them, writes, reads its input, closes. Returns what it read."""
    got = []

    def run():
        ends = [
            (os.open(path, os.O_WRONLY), data)
            for path, data in ((laid.io.stdout, output), (laid.io.stderr, errors))
            if path
        ]
        source = os.open(laid.io.stdin, os.O_RDONLY) if laid.io.stdin else None
        if opened is not None:
            opened.set()
        for end, data in ends:
            with os.fdopen(end, "wb") as file:
                file.write(data)
        if source is not None:
            with os.fdopen(source, "rb") as file:
                got.append(file.read())

    thread = threading.Thread(target=run)
    thread.start()
    return thread, got


def test_all_streams_to_their_ends():
    came, wrong, ended = [], [], threading.Event()
    data = os.urandom(200_000)
    with streams.Streams(
        stdout=came.append, stderr=wrong.append, stdin=io.BytesIO(data), on_stdin_end=ended.set
    ) as laid:
        opened = threading.Event()
        thread, got = shim(laid, output=data, errors=b"oops", opened=opened)
        assert opened.wait(10)
        assert not laid.ended.done()
        laid.attach()
        laid.ended.result(10)
        thread.join(10)
        assert ended.wait(10)
    assert (b"".join(came), b"".join(wrong), got) == (data, b"oops", [data])
    assert not os.path.exists(os.path.dirname(laid.io.stdout))


def test_output_may_be_read_before_the_other_side_is_known():
    came = []
    with streams.Streams(stdout=came.append) as laid:
        laid.expect()
        thread, _ = shim(laid, output=b"x" * 300_000)
        thread.join(10)
        assert not laid.ended.done()
        laid.attach()
        laid.ended.result(10)
    assert len(b"".join(came)) == 300_000


def test_without_outputs_nothing_is_waited_for():
    with streams.Streams() as laid:
        assert (laid.io.stdin, laid.io.stdout, laid.io.stderr) == ("", "", "")
        laid.attach()
        assert laid.ended.done()


def test_a_terminal_has_one_output():
    with streams.Streams(stdout=print, stderr=print, terminal=True) as laid:
        assert laid.io.stdout
        assert laid.io.stderr == ""
        assert laid.io.terminal


def test_a_sink_that_fails_is_told_to_whoever_waits():
    def full(_):
        raise OSError("full")

    with streams.Streams(stdout=full) as laid:
        opened = threading.Event()
        thread, _ = shim(laid, output=b"x", opened=opened)
        opened.wait(10)
        laid.attach()
        with pytest.raises(OSError, match="full"):
            laid.ended.result(10)
        thread.join(10)


def test_letting_go_before_anything_began_leaves_nothing():
    before = len(os.listdir("/proc/self/fd"))
    laid = streams.Streams(stdout=print, stderr=print, stdin=io.BytesIO(b"x"))
    laid.close()
    laid.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not os.path.exists(os.path.dirname(laid.io.stdin))


def test_input_may_be_bytes_and_must_be_readable(tmp_path):
    with streams.Streams(stdin=b"all of it", folder=str(tmp_path)) as laid:
        reading = os.open(laid.io.stdin, os.O_RDONLY | os.O_NONBLOCK)
        laid.attach()
        data = b""
        os.set_blocking(reading, True)
        while piece := os.read(reading, 100):
            data += piece
        os.close(reading)
    assert data == b"all of it"
    for wrong in ("text", io.StringIO("text"), 5):
        with pytest.raises(TypeError, match="stdin must be bytes"):
            streams.Streams(stdin=wrong, folder=str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_terminal_that_is_left_goes_on_into_a_file(tmp_path):
    came, closed = [], threading.Event()
    log = tmp_path / "log"
    laid = streams.Streams(
        stdout=came.append,
        stdin=b"typed",
        terminal=True,
        folder=str(tmp_path),
        on_stdin_end=closed.set,
        left_to=str(log),
    )
    reading = os.open(laid.io.stdout, os.O_RDONLY | os.O_NONBLOCK)  # as a shim keeps it
    writing = os.open(laid.io.stdout, os.O_WRONLY)
    source = os.open(laid.io.stdin, os.O_RDONLY | os.O_NONBLOCK)
    laid.attach()
    os.write(writing, b"seen\n")
    deadline = time.monotonic() + 10
    while came != [b"seen\n"]:
        assert time.monotonic() < deadline
    laid.leave()
    laid.close()
    os.write(writing, b"x" * 200_000)  # more than fits into a pipe that nobody reads
    os.close(writing)
    os.close(reading)
    while not log.exists() or log.stat().st_size < 200_000:
        assert time.monotonic() < deadline
    assert log.read_bytes() == b"x" * 200_000
    assert came == [b"seen\n"]
    os.close(source)


def test_only_what_was_made_for_it_can_be_left(tmp_path):
    with streams.Streams(stdout=print, folder=str(tmp_path)) as laid, pytest.raises(ValueError, match="left_to"):
        laid.leave()
