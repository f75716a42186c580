"""Raw frames against a real server: memory stays bounded, the flood ends, and others are served meanwhile."""

import contextlib
import itertools
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest
from unit.rpc import echo

from boxship.rpc import client
from boxship.rpc.http2 import blocks, frames

pytestmark = pytest.mark.slow
MEBIBYTE = 1 << 20
GROWTH = 64 * MEBIBYTE
HERE = pathlib.Path(__file__).parent


def block(name, *more):
    first = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/test.Echo/%b" % name)]
    return blocks.encode([*first, (b"content-type", b"application/grpc"), (b"te", b"trailers"), *more])


def head(number, name=b"Quick", *more):
    return frames.headers(number, block(name, *more), end_stream=False, frame_size=16384)


def data(number, payload, *, end=True):
    return frames.frame(frames.DATA, frames.END_STREAM if end else 0, number, payload)


def message(payload):
    return b"\0" + len(payload).to_bytes(4, "big") + payload


class Victim:
    def __init__(self, path):
        self.path = str(path)
        source = HERE.parents[2] / "src"
        environment = {"PYTHONPATH": f"{source}:{HERE.parents[1]}"}
        arguments = [sys.executable, str(HERE / "flooded.py"), self.path]
        self.process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"listening\n"

    def memory(self):
        """The most it has ever had, in bytes."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) * 1024

    def connect(self, settings=None):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)
        connection.settimeout(20)
        connection.sendall(frames.PREFACE + frames.settings(settings or {}))
        return connection


@pytest.fixture
def victim(tmp_path):
    started = Victim(tmp_path / "s")
    yield started
    started.process.kill()
    started.process.wait()
    started.process.stdout.close()


@contextlib.contextmanager
def others_are_served(victim):
    """Another connection calls all the while, and never waits long."""
    stop, slowest = threading.Event(), []

    def call():
        with client.Channel.connect(victim.path) as channel:
            while not stop.is_set():
                start = time.monotonic()
                assert channel.call(echo.QUICK, b"x") == b"x"
                slowest.append(time.monotonic() - start)

    calling = threading.Thread(target=call)
    calling.start()
    try:
        yield
    finally:
        stop.set()
        calling.join(20)
    assert not calling.is_alive()
    assert slowest
    assert max(slowest) < 2.0


def flood(connection, pieces):
    """Send until the server ends the connection; the code of its GOAWAY."""
    received = []

    def read():
        with contextlib.suppress(OSError):
            while part := connection.recv(MEBIBYTE):
                received.append(part)
                del received[:-4]

    reading = threading.Thread(target=read)
    reading.start()
    with contextlib.suppress(OSError):
        for piece in pieces:
            if not reading.is_alive():
                break
            connection.sendall(piece)
    reading.join(20)
    tail = b"".join(received)
    at = tail.rfind(b"\x07\x00\x00\x00\x00\x00")  # GOAWAY's kind, flags and stream
    return int.from_bytes(tail[at + 10 : at + 14], "big") if at > 0 else None


def resets():
    for number in itertools.count(1, 200):
        yield b"".join(
            head(one, b"Wait") + data(one, message(b"")) + frames.rst_stream(one, 8)
            for one in range(number, number + 200, 2)
        )


def continuations():
    yield frames.frame(frames.HEADERS, 0, 1, b"\0\x01a\x01b")
    yield from itertools.repeat(frames.frame(frames.CONTINUATION, 0, 1, b"\0\x01a\x01b") * 50)


def bomb():
    entry = b"\x40\x01a" + b"\x7f\x81\x1e" + bytes(3968)
    yield frames.frame(frames.HEADERS, frames.END_HEADERS, 1, entry + b"\xbe" * 10_000)
    yield from itertools.repeat(frames.frame(frames.HEADERS, frames.END_HEADERS, 3, b"\xbe" * 16_000))


FLOODS = {
    "rapid reset": resets,
    "continuation": continuations,
    "settings": lambda: itertools.repeat(frames.settings({3: 100}) * 100),
    "ping": lambda: itertools.repeat(frames.ping(bytes(8)) * 100),
    "empty data": lambda: itertools.chain([head(1, b"Talk")], itertools.repeat(data(1, b"", end=False) * 100)),
    "window": lambda: itertools.chain([head(1, b"Talk")], itertools.repeat(frames.window_update(1, 1) * 100)),
    "priority": lambda: itertools.repeat(frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\0\x10") * 100),
    "hpack bomb": bomb,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_in_goaway(victim, name):
    before = victim.memory()
    with others_are_served(victim), victim.connect() as connection:
        assert flood(connection, FLOODS[name]()) == 11  # ENHANCE_YOUR_CALM
    assert victim.memory() - before < GROWTH


def test_a_client_that_asks_for_much_and_takes_nothing(victim):
    """Windows of nothing: answers wait, up to a limit; what is above is answered with a status."""
    before = victim.memory()
    with others_are_served(victim), victim.connect({frames.INITIAL_WINDOW_SIZE: 0}) as connection:
        for number in range(1, 400, 2):
            connection.sendall(head(number, b"Sized") + data(number, message(b"16000000")))
        connection.sendall(frames.ping(b"is it up"))
        received = b""
        while b"is it up" not in received:
            received += connection.recv(MEBIBYTE)
    assert victim.memory() - before < 3 * GROWTH


def test_a_client_with_wide_windows_that_does_not_read(victim):
    before = victim.memory()
    widest = {frames.INITIAL_WINDOW_SIZE: (1 << 31) - 1}
    with others_are_served(victim), victim.connect(widest) as connection:
        connection.sendall(frames.window_update(0, (1 << 31) - 1 - 65535))
        connection.sendall(b"".join(head(one, b"Flood") + data(one, message(b"")) for one in range(1, 100, 2)))
        victim_wait = time.monotonic() + 1.0
        while time.monotonic() < victim_wait:
            assert victim.memory() - before < 2 * GROWTH
            time.sleep(0.05)


def test_requests_which_are_never_finished(victim):
    before = victim.memory()
    unfinished = b"\0" + (16 * MEBIBYTE).to_bytes(4, "big") + bytes(16_000)
    with others_are_served(victim), victim.connect() as connection, contextlib.suppress(OSError):
        for number in range(1, 10_000, 2):
            connection.sendall(head(number) + data(number, unfinished, end=False))
            if number > 200:
                connection.sendall(data(number - 200, bytes(16_000), end=False))
    assert victim.memory() - before < 3 * GROWTH


def test_uploads_which_nobody_takes(victim):
    """More calls that stream requests than there are threads, all sending."""
    before = victim.memory()
    with others_are_served(victim), victim.connect() as connection, contextlib.suppress(OSError):
        for number in range(1, 4001, 2):
            connection.sendall(head(number, b"Talk") + data(number, message(bytes(8000)), end=False) * 2)
    assert victim.memory() - before < 3 * GROWTH


def test_large_headers_are_refused_and_ordinary_ones_are_not(victim):
    with victim.connect() as connection:
        metadata = tuple((b"k%d" % number, bytes([97]) * 1000) for number in range(40))
        connection.sendall(head(1, b"Quick", *metadata) + data(1, message(b"here I am")))
        received = b""
        while b"here I am" not in received:
            received += connection.recv(MEBIBYTE)
        endless = (head(3, b"Quick", (b"k", bytes([97]) * 120_000)) for _ in range(3))
        assert flood(connection, endless) == 11


def test_many_connections_which_say_nothing(victim):
    before = victim.memory()
    silent = [socket.socket(socket.AF_UNIX) for _ in range(300)]
    try:
        for one in silent:
            one.connect(victim.path)
        with others_are_served(victim):
            time.sleep(0.05)
        threads = len(list(pathlib.Path(f"/proc/{victim.process.pid}/task").iterdir()))
        assert threads < 10
    finally:
        for one in silent:
            one.close()
    assert victim.memory() - before < GROWTH
