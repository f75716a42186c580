"""A shim that has hardly any descriptors left: what fails leaves nothing behind."""

import contextlib
import os
import pathlib
import resource
import shutil
import time

import pytest
from integration.shim import benches

pytestmark = [pytest.mark.root, pytest.mark.slow]
RUNC = shutil.which("runc")
FREE = 30  # more than anything needs at a time


@pytest.fixture(
    params=["", pytest.param(RUNC, marks=[pytest.mark.peer, pytest.mark.skipif(not RUNC, reason="no runc")])],
    ids=["own", "runc"],
)
def bench(request, zygote, folder, listener):
    made = benches.Bench(zygote, folder, listener, binary=request.param).start(rest=60.0)
    made.create("c", ["sleep", "100"])
    made.tasks("Start", id="c")
    listener.wait(lambda topics: len(topics) == 2)
    yield made
    made.close()


@contextlib.contextmanager
def left(worker, free):
    """`free` descriptors can be had meanwhile."""
    used = {int(fd) for fd in os.listdir(f"/proc/{worker}/fd")}
    limit = 0
    while limit in used or free:
        free -= limit not in used
        limit += 1
    former = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (limit, former[1]))
    try:
        yield
    finally:
        resource.prlimit(worker, resource.RLIMIT_NOFILE, former)


@contextlib.contextmanager
def streams(bench, name):
    paths = {kind: bench.fifo(f"{name}-{kind}") for kind in ("stdin", "stdout")}
    reader = os.open(paths["stdout"], os.O_RDONLY | os.O_NONBLOCK)
    yield paths
    os.close(reader)


def create(bench, worker, free, io):
    with left(worker, free):
        bench.create("d", ["true"], **io)
    bench.tasks("Delete", id="d")


def execute(bench, worker, free, io):
    said = {"spec": benches.exec_spec("true", terminal=io["terminal"]), **io}
    bench.tasks("Exec", id="c", exec_id=f"e{free}", **said)
    try:
        with left(worker, free):
            bench.tasks("Start", id="c", exec_id=f"e{free}")
        bench.tasks("Wait", id="c", exec_id=f"e{free}")
    finally:
        bench.tasks("Delete", id="c", exec_id=f"e{free}")


@pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
@pytest.mark.parametrize("action", [create, execute])
def test_what_fails_leaves_nothing(bench, action, terminal):
    (worker,) = bench.workers()
    children = pathlib.Path(f"/proc/{worker}/task/{worker}/children")
    before = bench.descriptors(), children.read_text()
    succeeded, failures = [], []
    for free in range(FREE):
        with streams(bench, free) as paths:
            try:
                action(bench, worker, free, {**paths, "terminal": terminal})
            except benches.Failure as failure:
                failures.append(failure.message)
            else:
                succeeded.append(free)
        deadline = time.monotonic() + 10  # a process of runc's own may end after runc
        while (after := (bench.descriptors(), children.read_text())) != before and time.monotonic() < deadline:
            time.sleep(0.002)
        assert after == before, free
    assert [message for message in failures if "oo many open files" not in message] == []
    assert succeeded
    assert succeeded == list(range(succeeded[0], FREE))


def test_a_signal_that_cannot_be_sent_is_no_end(bench):
    (worker,) = bench.workers()
    with left(worker, 0), pytest.raises(benches.Failure, match="Too many open files"):
        bench.tasks("Kill", id="c", signal=9)
    bench.tasks("Kill", id="c", signal=9)
    assert bench.tasks("Wait", id="c").exit_status == 137


def test_what_had_no_descriptors_to_start_may_be_started_again(bench):
    (worker,) = bench.workers()
    with streams(bench, "e") as paths:
        bench.tasks("Exec", id="c", exec_id="e", spec=benches.exec_spec("sh", "-c", "exit 3"), **paths)
        with left(worker, 0), pytest.raises(benches.Failure, match="Too many open files"):
            bench.tasks("Start", id="c", exec_id="e")
        bench.tasks("Start", id="c", exec_id="e")
        assert bench.tasks("Wait", id="c", exec_id="e").exit_status == 3
        bench.tasks("Delete", id="c", exec_id="e")
