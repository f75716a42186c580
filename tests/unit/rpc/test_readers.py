import os
import threading

import pytest

from boxship.rpc import readers


class Pipe:
    """A source that empties its pipe."""

    def __init__(self):
        self.ours, self.theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.came = threading.Event()

    def ready(self, _events):
        os.read(self.ours, 100)
        self.came.set()


@pytest.mark.slow
def test_rest_is_told_once_after_work_until_there_is_more():
    rests = threading.Semaphore(0)
    watching, pipe = readers.Readers("test", rests.release), Pipe()
    watching.add(pipe.ours, pipe)
    try:
        for _ in range(2):
            os.write(pipe.theirs, b"x")
            assert pipe.came.wait(10)
            pipe.came.clear()
            assert rests.acquire(timeout=10)
            assert not rests.acquire(timeout=0.2)
    finally:
        watching.remove(pipe.ours)
        watching.close()
        os.close(pipe.ours)
        os.close(pipe.theirs)
