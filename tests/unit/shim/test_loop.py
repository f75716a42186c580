"""The loop, its children, and pumps over real descriptors."""

import contextlib
import os
import signal

import pytest

from boxship.shim import loop, pumps, reaping


@pytest.fixture
def events():
    made = loop.Loop()
    yield made
    made.close()


def test_timers_run_in_order_and_canceled_ones_do_not(events):
    seen = []
    events.later(0.01, events.stop)
    events.later(0.002, lambda: seen.append("second"))
    events.later(0.001, lambda: seen.append("first"))
    events.later(0.001, lambda: seen.append("never")).cancel()
    events.run()
    assert seen == ["first", "second"]


def test_a_callback_that_fails_hurts_nobody_else(events, capfd):
    events.later(0, lambda: 1 / 0)
    events.later(0.001, events.stop)
    events.run()
    said = capfd.readouterr().err
    assert "ERROR a callback failed" in said
    assert "ZeroDivisionError" in said


def test_children_are_reaped_with_their_status(events):
    ended = {}
    before = signal.getsignal(signal.SIGCHLD)
    try:
        children = reaping.Children(events)
        pids = {}
        for name, command in (("plain", "exit 7"), ("signal", "kill -TERM $$")):
            pids[name] = os.posix_spawn("/bin/sh", ["sh", "-c", command], {"PATH": "/bin:/usr/bin"})

        def told(name, status):
            ended[name] = status
            if len(ended) == 2:
                events.stop()

        children.watch(pids["plain"], lambda status, _at: told("plain", status))
        children.watch(pids["signal"], lambda status, _at: told("signal", status))
        events.later(10, events.stop)
        events.run()
    finally:
        children.close()
        signal.signal(signal.SIGCHLD, before)
    assert ended == {"plain": 7, "signal": 143}


def through(events, source, sink, fed, taken):
    """Feed one end and read the other, a little at a time, until the pump has ended."""
    got = bytearray()
    feeder = os.fdopen(fed, "wb", buffering=0)
    os.set_blocking(fed, False)
    os.set_blocking(taken, False)
    data = memoryview(os.urandom(1 << 20))
    state = {"at": 0}

    def feed(_events):
        state["at"] += feeder.write(data[state["at"] : state["at"] + 5000]) or 0
        if state["at"] == len(data):
            events.unwatch(fed)
            feeder.close()

    def take():
        with contextlib.suppress(BlockingIOError):
            got.extend(os.read(taken, 70000))
        if len(got) < len(data):
            events.later(0.0002, take)

    events.watch(fed, loop.OUT, feed)
    events.later(0, take)
    pumps.Pump(events, source, sink, lambda: events.later(0.05, events.stop))
    events.later(20, events.stop)
    events.run()
    got.extend(os.read(taken, 1 << 20) if len(got) < len(data) else b"")
    return bytes(got) == bytes(data)


def test_a_pump_between_pipes_with_a_slow_reader(events):
    source, fed = os.pipe()
    taken, sink = os.pipe()
    assert through(events, source, sink, fed, taken)
    assert os.read(taken, 1) == b""  # it has closed its end
    os.close(taken)


def test_a_pump_into_a_file(events, tmp_path):
    source, fed = os.pipe()
    path = tmp_path / "log"
    sink = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fed, b"line\n")
    os.close(fed)
    pumps.Pump(events, source, sink, events.stop)
    events.run()
    assert path.read_bytes() == b"line\n"


def test_a_pump_whose_reader_has_gone_ends(events):
    before = signal.signal(signal.SIGPIPE, lambda *_: None)
    try:
        source, fed = os.pipe()
        taken, sink = os.pipe()
        os.close(taken)
        os.write(fed, b"x")
        pump = pumps.Pump(events, source, sink, events.stop)
        events.run()
        assert pump.ended
        os.close(fed)
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_draining_takes_what_is_there_and_waits_for_nobody(events):
    source, fed = os.pipe()
    taken, sink = os.pipe()
    os.write(fed, b"last words")
    pump = pumps.Pump(events, source, sink, events.stop)
    pump.drain()
    events.run()
    assert pump.ended
    assert os.read(taken, 100) == b"last words"
    for fd in (fed, taken):
        os.close(fd)
