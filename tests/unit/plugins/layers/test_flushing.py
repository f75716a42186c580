"""The disk works while a layer is unpacked, and what it refuses is heard."""

import errno
import threading

import pytest

from boxship.linux import files
from boxship.plugins.layers import flushing


def test_each_step_is_written_back_while_the_rest_comes(monkeypatch) -> None:
    flushed = threading.Semaphore(0)
    monkeypatch.setattr(files, "syncfs", lambda descriptor: flushed.release())
    with flushing.Flusher(7) as flusher:
        for _ in range(2):
            for _ in range(16):
                flusher.add(1 << 20)
            assert flushed.acquire(timeout=10)


def test_little_is_left_to_who_syncs_at_the_end(monkeypatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(files, "syncfs", flushed.append)
    with flushing.Flusher(7) as flusher:
        flusher.add((16 << 20) - 1)
    assert flushed == []


def test_a_failing_disk_is_heard(monkeypatch) -> None:
    def refuse(descriptor: int) -> None:
        tried.set()
        raise OSError(errno.EIO, "Input/output error")

    tried = threading.Event()
    monkeypatch.setattr(files, "syncfs", refuse)
    flusher = flushing.Flusher(7)
    flusher.add(16 << 20)
    assert tried.wait(10)
    with pytest.raises(OSError, match="Input/output error"), flusher:
        pass
