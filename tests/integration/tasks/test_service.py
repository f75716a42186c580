"""Tasks through the service: our own shims and runtime, real containers."""

import os

import pytest
from integration.tasks.worlds import read_until_end

from boxship.core import tasks
from boxship.terms import errors

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_from_nothing_to_an_exit_status(world):
    world.container("a", ["sh", "-c", "echo out; echo err >&2; exit 42"])
    out, err = world.fifo("out"), world.fifo("err")
    readers = [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in (out, err)]
    pid = world.tasks.create("a", rootfs=[], io=tasks.IO(stdout=out, stderr=err))
    assert world.tasks.get("a").status is tasks.Status.CREATED
    ended = world.tasks.wait("a")
    assert world.tasks.start("a") == pid
    exit_ = ended.result(10)
    assert exit_.status == 42
    assert exit_.exited_at
    assert world.tasks.get("a").status is tasks.Status.STOPPED
    assert [read_until_end(reader) for reader in readers] == [b"out\n", b"err\n"]
    assert world.tasks.delete("a").status == 42
    with pytest.raises(errors.NotFound, match="task a not found"):
        world.tasks.get("a")
    for reader in readers:
        os.close(reader)
    world.ear.wait(("/tasks/delete", "a"))
    assert world.ear.about("a") == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
