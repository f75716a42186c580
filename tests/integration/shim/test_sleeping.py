"""Between two things to do there is no worker, and nobody can tell."""

import os
import pathlib
import resource
import signal
import time

import pytest
from integration.shim import benches
from integration.shim.benches import read_until_end

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def bench(zygote, folder, listener):
    made = benches.Bench(zygote, folder, listener).start()
    yield made
    made.close()


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def asleep(bench):
    wait_for(lambda: not bench.workers())


def test_nights_leave_no_descriptor(bench):
    bench.create("c", ["sleep", "100"], stdout=bench.fifo("out"))
    bench.tasks("Start", id="c")
    waiting = bench.tasks.begin("Wait", id="c")
    asleep(bench)
    before = bench.descriptors()
    for _ in range(20):
        assert bench.tasks("State", id="c").status == 2
        asleep(bench)
    assert bench.descriptors() == before
    bench.tasks("Kill", id="c", signal=9)
    assert bench.tasks.end(waiting).exit_status == 137


def test_a_worker_that_is_woken_again_and_again_stays_longer(zygote, folder, listener):
    bench = benches.Bench(zygote, folder, listener).start(rest=0.05)
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    rests = []
    for _ in range(4):
        asleep(bench)
        bench.tasks("State", id="c")
        woken = time.monotonic()
        asleep(bench)
        rests.append(time.monotonic() - woken)
    # never shorter than what was meant; how much longer is the machine's affair
    assert [rest >= 0.09 * 2**number for number, rest in enumerate(rests)] == [True] * 4
    bench.close()


def test_an_end_in_the_night_is_told_with_its_time(bench):
    bench.create("c", ["sh", "-c", "read x; exit 7"], stdin=bench.fifo("in"))
    bench.tasks("Start", id="c")
    waiting = bench.tasks.begin("Wait", id="c")
    asleep(bench)
    with open(bench.folder / "in", "w") as file:
        file.write("now\n")
        written = time.time_ns()
    answer = bench.tasks.end(waiting)
    told = time.time_ns()
    assert answer.exit_status == 7
    assert written - 10_000_000 <= answer.exited_at.seconds * 10**9 + answer.exited_at.nanos <= told
    asleep(bench)
    assert bench.tasks("Delete", id="c").exit_status == 7
    topics = bench.listener.wait(lambda topics: "/tasks/delete" in topics)
    assert topics == [f"/tasks/{name}" for name in ("create", "start", "exit", "delete")]


def test_output_wakes_it(bench):
    out = bench.fifo("out")
    bench.create("c", ["sh", "-c", "while read x; do echo got $x; done"], stdin=bench.fifo("in"), stdout=out)
    bench.tasks("Start", id="c")
    reader = os.open(out, os.O_RDONLY)
    with open(bench.folder / "in", "w") as file:
        for word in ("one", "two", "three"):
            asleep(bench)
            file.write(f"{word}\n")
            file.flush()
            assert os.read(reader, 100) == f"got {word}\n".encode()
    bench.tasks("CloseIO", id="c", stdin=True)
    bench.tasks("Wait", id="c")
    bench.tasks("Delete", id="c")
    assert read_until_end(reader) == b""


def test_a_reader_who_stands_still_loses_nothing(bench):
    out = bench.fifo("out")
    bench.create("c", ["sh", "-c", "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); echo $i; done"], stdout=out)
    reader = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
    bench.tasks("Start", id="c")
    asleep(bench)  # the FIFO is full, and the container waits for its reader
    assert bench.tasks("State", id="c").status == 2
    asleep(bench)
    os.set_blocking(reader, True)
    waiting = bench.tasks.begin("Wait", id="c")
    taken = b""
    while taken.count(b"\n") < 40000:
        taken += os.read(reader, 65536)
    assert taken.decode().split() == [str(each) for each in range(1, 40001)]
    assert bench.tasks.end(waiting).exit_status == 0
    os.close(reader)


def test_processes_of_other_days_are_known(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    for name in ("a", "b"):
        asleep(bench)
        script = "trap 'exit 5' TERM; while :; do sleep 0.01; done"
        bench.tasks("Exec", id="c", exec_id=name, spec=benches.exec_spec("sh", "-c", script))
        asleep(bench)
        bench.tasks("Start", id="c", exec_id=name)
    asleep(bench)
    waiting = {name: bench.tasks.begin("Wait", id="c", exec_id=name) for name in ("a", "b")}
    asleep(bench)
    for name in ("b", "a"):
        bench.tasks("Kill", id="c", exec_id=name, signal=signal.SIGTERM)
        assert bench.tasks.end(waiting[name]).exit_status == 5
        asleep(bench)
        assert bench.tasks("Delete", id="c", exec_id=name).exit_status == 5


def test_a_worker_that_dies_takes_the_shim_with_it(zygote, folder, listener):
    bench = benches.Bench(zygote, folder, listener).start(rest=60.0)
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    pid = bench.tasks("State", id="c").pid
    (worker,) = bench.workers()
    os.kill(worker, signal.SIGKILL)
    assert bench.has_ended()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        bench.tasks("State", id="c")
    os.kill(pid, signal.SIGKILL)
    bench.close()


def test_nobody_is_lost_when_there_is_no_process_to_be_had(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    asleep(bench)
    tight = pathlib.Path(f"/sys/fs/cgroup/pids/{bench.folder.name}")
    if not tight.parent.is_dir():
        pytest.skip("needs the pids controller of version 1")
    tight.mkdir()
    (tight / "cgroup.procs").write_text(str(bench.pid))
    (tight / "pids.max").write_text("1")
    asked = bench.tasks.begin("State", id="c")
    wait_for(lambda: "max 0" not in (tight / "pids.events").read_text())
    (tight / "pids.max").write_text("max")
    assert bench.tasks.end(asked).status == 2
    finish(bench)
    (tight.parent / "cgroup.procs").write_text(str(bench.pid))
    asleep(bench)
    tight.rmdir()


def test_more_clients_than_descriptors(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    asleep(bench)
    resource.prlimit(bench.pid, resource.RLIMIT_NOFILE, (64, 64))
    clients = [benches.Tasks(bench.address) for _ in range(80)]
    last = clients[-1].begin("State", id="c")
    for _ in range(100):
        assert bench.tasks("State", id="c").status == 2
    with pytest.raises(benches.Failure, match="Too many open files"):
        bench.tasks("Stats", id="c")
    log = (bench.folder / "first/shim.log").read_text()
    assert 0 < log.count("no client can be let in") < 50
    for client in clients[:-1]:
        client.close()
    assert clients[-1].end(last).status == 2
    clients[-1].close()
    finish(bench)


def finish(bench):
    bench.tasks("Kill", id="c", signal=9)
    assert bench.tasks("Wait", id="c").exit_status == 137
    bench.tasks("Delete", id="c")


def test_a_state_that_no_letter_holds_keeps_the_worker(zygote, folder, listener):
    bench = benches.Bench(zygote, folder, listener).start(rest=0.0)
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    asleep(bench)
    spec = benches.exec_spec("true", "x" * 200_000)
    bench.tasks("Exec", id="c", exec_id="long", spec=spec)
    log = bench.folder / "first" / "shim.log"
    wait_for(lambda: "the worker stays" in log.read_text())
    assert len(bench.workers()) == 1
    bench.tasks("Delete", id="c", exec_id="long")
    asleep(bench)
    bench.close()
