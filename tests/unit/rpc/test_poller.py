import socket
import threading

import pytest

from boxship.rpc import poller

SECONDS = 10.0


@pytest.fixture
def watching():
    made = poller.Poller("test-poller")
    yield made
    made.close()


def test_a_hang_up_is_told_once_to_who_pauses(watching):
    """epoll tells it whatever one waits for; told again and again, it would keep a processor busy."""
    ours, theirs = socket.socketpair()
    other, far = socket.socketpair()
    told = []
    with ours, other, far:
        watching.watch(ours.fileno(), poller.READABLE, lambda: told.append("gone"))
        watching.pause(ours.fileno())
        theirs.close()
        for _ in range(20):
            came = threading.Event()
            watching.watch(other.fileno(), poller.READABLE, came.set)
            far.send(b"x")
            assert came.wait(SECONDS)
            other.recv(1)
        assert told == ["gone"]
        again = threading.Event()
        watching.watch(ours.fileno(), poller.READABLE, again.set)
        assert again.wait(SECONDS)
        watching.forget(ours.fileno())
        watching.forget(other.fileno())
