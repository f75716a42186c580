"""Tasks through the service: our own shims and runtime, real containers."""

import concurrent.futures
import os
import signal
import time

import pytest
from integration.tasks import worlds
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


def run_one(world, id, args, **more):
    """Create and start a task, its output in a FIFO; returns the FIFO's reader."""
    world.container(id, args, **more)
    path = world.fifo(f"{id}-out")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    world.tasks.create(id, rootfs=[], io=tasks.IO(stdout=path, stderr=path))
    world.tasks.start(id)
    return reader


def test_names_are_taken_once(world):
    with pytest.raises(errors.NotFound, match='container "a" in namespace "tests": not found'):
        world.tasks.create("a", rootfs=[], io=tasks.IO())
    run_one(world, "a", ["sleep", "100"])
    with pytest.raises(errors.AlreadyExists, match="task a: already exists"):
        world.tasks.create("a", rootfs=[], io=tasks.IO())
    with pytest.raises(errors.Unknown, match="failed to delete task: cannot delete a running process"):
        world.tasks.delete("a")
    with pytest.raises(errors.InvalidArgument, match="exec id cannot be empty"):
        world.tasks.exec("a", "", io=tasks.IO(), spec=worlds.process("true"))
    with pytest.raises(errors.InvalidArgument, match="invalid exec id a/b: identifier"):
        world.tasks.exec("a", "a/b", io=tasks.IO(), spec=worlds.process("true"))


def test_a_creation_that_fails_leaves_nothing(world):
    world.container("a", ["nosuch"])
    with pytest.raises(errors.Unknown, match=r'failed to create shim task: OCI runtime create failed: .*"nosuch"'):
        world.tasks.create("a", rootfs=[], io=tasks.IO())
    with pytest.raises(errors.NotFound, match="task a not found"):
        world.tasks.get("a")
    assert world.leftovers() == []
    world.container("a", ["true"], runtime="io.containerd.nosuch.v9")
    with pytest.raises(errors.Unknown, match=r'runtime "io\.containerd\.nosuch\.v9" binary not installed'):
        world.tasks.create("a", rootfs=[], io=tasks.IO())
    assert world.leftovers() == []


def test_exec_and_wait_for_it(world):
    run_one(world, "a", ["sleep", "100"])
    world.tasks.exec("a", "e", io=tasks.IO(), spec=worlds.process("sh", "-c", "exit 9"))
    ended = world.tasks.wait("a", "e")
    assert world.tasks.start("a", "e") == world.tasks.get("a", "e").pid
    assert ended.result(10).status == 9
    exit_ = world.tasks.delete_process("a", "e")
    assert (exit_.id, exit_.status) == ("e", 9)
    assert [each.container_id or each.id for each in world.tasks.list()] == ["a"]
    assert [metric.id for metric in world.tasks.metrics(["id==a"])] == ["a"]
    assert world.tasks.metrics(["id==b"]) == []
    assert [info.pid for info in world.tasks.pids("a")] == [world.tasks.get("a").pid]


def test_a_daemon_comes_back_to_its_tasks(world):
    """One goes on and writes, one ends while nobody looks."""
    going = run_one(world, "going", ["sh", "-c", "while true; do echo tick; sleep 0.05; done"])
    ending = run_one(world, "ending", ["sh", "-c", "read x </dev/null; sleep 0.3; echo bye; exit 17"])
    pid = world.tasks.get("going").pid
    world.ear.wait(("/tasks/start", "going"), ("/tasks/start", "ending"))
    for _ in range(3):
        world.stop()
        world.ear.deafen()
        assert worlds.ended(world.pid_of("ending"))
        world.ear.listen()
        world.start()
        assert world.tasks.get("going").pid == pid
        assert world.tasks.get("going").status is tasks.Status.RUNNING
        assert world.tasks.get("ending").exit_status == 17
    assert world.tasks.wait("ending").result(5).status == 17
    assert read_until_end(ending) == b"bye\n"
    assert world.tasks.delete("ending").status == 17
    world.ear.wait(("/tasks/delete", "ending"))
    assert world.ear.about("ending") == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
    world.tasks.kill("going", signal=9)
    assert world.tasks.wait("going").result(5).status == 137
    assert set(read_until_end(going).split()) == {b"tick"}
    world.tasks.delete("going")
    assert world.leftovers() == []
    os.close(going)
    os.close(ending)


def test_the_death_of_a_shim_is_told_once(world):
    run_one(world, "a", ["sleep", "100"])
    pid = world.tasks.get("a").pid
    waiting = world.tasks.wait("a")
    os.kill(world.shim_of("a"), signal.SIGKILL)
    exit_ = waiting.result(10)
    assert (exit_.status, exit_.pid) == (137, pid)
    said = world.ear.wait(("/tasks/delete", "a"))
    exits = [event for topic, event in said if topic == "/tasks/exit"]
    assert [(event.pid, event.exit_status, event.id) for event in exits] == [(pid, 137, "a")]
    assert worlds.ended(pid)
    with pytest.raises(errors.NotFound, match="task a not found"):
        world.tasks.get("a")
    assert world.leftovers() == []
    run_one(world, "b", ["true"])


def test_the_death_of_a_shim_while_the_daemon_is_away(world):
    run_one(world, "a", ["sleep", "100"])
    run_one(world, "b", ["sleep", "100"])
    world.ear.wait(("/tasks/start", "a"), ("/tasks/start", "b"))
    pid, shim = world.tasks.get("a").pid, world.shim_of("a")
    world.stop()
    os.kill(shim, signal.SIGKILL)
    assert worlds.ended(shim)
    world.start()
    assert [each.id for each in world.tasks.list()] == ["b"]
    assert worlds.ended(pid)
    world.ear.wait(("/tasks/delete", "a"))
    assert world.ear.about("a") == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]


def test_an_end_that_a_daemon_did_not_live_to_tell_is_told_by_the_next(world):
    run_one(world, "a", ["sleep", "100"])
    shim = world.shim_of("a")
    world.stop()
    os.kill(shim, signal.SIGKILL)
    assert worlds.ended(shim)
    world.start()
    world.service._dead.clear()  # killed before it told
    world.stop()
    assert "/tasks/exit" not in world.ear.about("a")
    world.start()
    said = world.ear.wait(("/tasks/delete", "a"))
    assert [event.exit_status for topic, event in said if topic == "/tasks/exit"] == [137]
    assert world.tasks.create("a", rootfs=[], io=tasks.IO())


def test_a_wedged_shim_keeps_nobody_waiting(world):
    run_one(world, "stuck", ["sleep", "100"])
    run_one(world, "fine", ["sleep", "100"])
    shim = world.shim_of("stuck")
    os.killpg(shim, signal.SIGSTOP)  # with its worker
    try:
        assert world.tasks.get("stuck").status is tasks.Status.UNKNOWN
        world.stop()
        before = time.monotonic()
        world.start()
        assert time.monotonic() - before < 9
        assert world.tasks.get("fine").status is tasks.Status.RUNNING
    finally:
        os.killpg(shim, signal.SIGCONT)
    assert world.tasks.get("stuck").status is tasks.Status.RUNNING


def test_a_group_shares_a_shim(world):
    group = {"annotations": {"io.kubernetes.cri.sandbox-id": "pod"}}
    run_one(world, "a", ["sleep", "100"], **group)
    run_one(world, "b", ["sleep", "100"], **group)
    run_one(world, "c", ["sleep", "100"])
    assert world.shim_of("a") == world.shim_of("b") != world.shim_of("c")
    world.tasks.kill("a", signal=9)
    world.tasks.wait("a").result(5)
    world.tasks.delete("a")
    assert world.tasks.get("b").status is tasks.Status.RUNNING


@pytest.mark.peer
@pytest.mark.skipif(not os.path.exists("/usr/bin/containerd-shim-runc-v2"), reason="containerd's shim is not installed")
def test_a_foreign_shim(world):
    out = run_one(world, "a", ["sh", "-c", "echo out; sleep 0.2; exit 6"], runtime="/usr/bin/containerd-shim-runc-v2")
    waiting = world.tasks.wait("a")
    world.stop()
    world.start()
    assert world.tasks.get("a").status in {tasks.Status.RUNNING, tasks.Status.STOPPED}
    assert world.tasks.wait("a").result(10).status == 6
    assert read_until_end(out) == b"out\n"
    assert world.tasks.delete("a").status == 6
    world.ear.wait(("/tasks/delete", "a"))
    assert world.ear.about("a") == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
    run_one(world, "b", ["sleep", "100"], runtime="/usr/bin/containerd-shim-runc-v2")
    pid = world.tasks.get("b").pid
    waiting = world.tasks.wait("b")
    os.kill(world.shim_of("b"), signal.SIGKILL)
    assert waiting.result(15).status == 137
    assert worlds.ended(pid)
    assert world.leftovers() == []
    os.close(out)


def test_many_at_once(world):
    def one(number):
        world.container(f"c{number}", ["sh", "-c", f"exit {number}"])
        world.tasks.create(f"c{number}", rootfs=[], io=tasks.IO())
        ended = world.tasks.wait(f"c{number}")
        world.tasks.start(f"c{number}")
        assert ended.result(20).status == number
        return world.tasks.delete(f"c{number}").status

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert list(pool.map(one, range(40))) == list(range(40))
    assert world.leftovers() == []


def test_a_hundred_cycles_leave_nothing(world):
    run_one(world, "stays", ["sleep", "100"])

    def cycle(number):
        out = run_one(world, f"c{number}", ["sleep", "100"])
        world.tasks.exec(f"c{number}", "e", io=tasks.IO(), spec=worlds.process("true"))
        ended = world.tasks.wait(f"c{number}", "e")
        world.tasks.start(f"c{number}", "e")
        assert ended.result(10).status == 0
        world.tasks.delete_process(f"c{number}", "e")
        world.tasks.kill(f"c{number}", signal=9)
        world.tasks.wait(f"c{number}").result(10)
        world.tasks.delete(f"c{number}")
        os.close(out)
        os.unlink(world.folder / f"c{number}-out")

    cycle(0)
    worlds.settles(lambda: {"shims": world.census()["shims"]}, {"shims": 1})
    before = world.census()
    for number in range(1, 101):
        cycle(number)
    world.ear.wait(*[("/tasks/delete", f"c{number}") for number in range(101)])
    worlds.settles(world.census, before)
