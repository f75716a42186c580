"""Sockets that others may still be listening on."""

import os
import socket

import pytest

from boxship.daemon import listeners


@pytest.fixture
def address(tmp_path):
    return str(tmp_path / "d.sock")


@pytest.fixture
def busy(address):
    """Somebody who listens and whose queue is full."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen(0)
        waiting = []
        try:
            while True:
                waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                waiting[-1].setblocking(False)
                waiting[-1].connect(address)
        except BlockingIOError:
            yield listener
        finally:
            for each in waiting:
                each.close()


def listen(address):
    return listeners.unix(address, uid=os.geteuid(), gid=os.getegid())


@pytest.mark.usefixtures("busy")
def test_a_busy_one_keeps_its_socket(address):
    before = os.stat(address).st_ino
    with pytest.raises(listeners.Refused, match="another process does"):
        listen(address)
    assert os.stat(address).st_ino == before


def test_one_that_is_gone_gives_way(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(address)
    with listen(address), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(address)
