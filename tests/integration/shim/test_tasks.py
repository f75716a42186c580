"""The task API of a shim over real containers: our own runtime, and runc by its command line."""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import time

import pytest
from integration.shim import benches
from integration.shim.benches import Failure, read_until_end

from boxship.api import any_pb2, cgroups_v1_pb2, cgroups_v2_pb2, task_v2_pb2
from boxship.rpc import status

pytestmark = [pytest.mark.root, pytest.mark.slow]
RUNC = shutil.which("runc")
CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4


@pytest.fixture(
    params=["", pytest.param(RUNC, marks=[pytest.mark.peer, pytest.mark.skipif(not RUNC, reason="no runc")])],
    ids=["own", "runc"],
)
def bench(request, zygote, folder, listener):
    made = benches.Bench(zygote, folder, listener, binary=request.param).start()
    yield made
    made.close()


def fifos(bench, name):
    paths = {kind: bench.fifo(f"{name}-{kind}") for kind in ("stdout", "stderr")}
    return paths, [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths.values()]


def finish(bench, id, *, tasks=None):
    tasks = tasks or bench.tasks
    tasks("Kill", id=id, signal=9)
    tasks("Wait", id=id)
    return tasks("Delete", id=id)


@pytest.mark.parametrize(
    ("args", "expected"),
    [(["true"], 0), (["false"], 1), (["sh", "-c", "exit 42"], 42), (["sh", "-c", "kill -TERM $$; sleep 9"], 0)],
)
def test_exit_status(bench, args, expected):
    if args[-1].startswith("kill"):
        args = ["sh", "-c", "sh -c 'kill -TERM $$'; exit $?"]
        expected = 143
    bench.create("c", args)
    waiting = bench.tasks.begin("Wait", id="c")
    before = time.time_ns()
    bench.tasks("Start", id="c")
    ended = bench.tasks.end(waiting)
    assert ended.exit_status == expected
    assert before - 10**9 <= ended.exited_at.ToNanoseconds() <= time.time_ns()
    state = bench.tasks("State", id="c")
    assert (state.status, state.exit_status, state.id) == (STOPPED, expected, "c")
    assert bench.tasks("Delete", id="c").exit_status == expected
    with pytest.raises(Failure, match="container not created: not found") as caught:
        bench.tasks("State", id="c")
    assert caught.value.code is status.Code.NOT_FOUND


def test_killed_by_signal(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    waiting = bench.tasks.begin("Wait", id="c")
    bench.tasks("Kill", id="c", signal=9)
    assert bench.tasks.end(waiting).exit_status == 137
    with pytest.raises(Failure, match="process already finished: not found"):
        bench.tasks("Kill", id="c", signal=9)
    bench.tasks("Delete", id="c")


def test_output_and_input(bench):
    paths, readers = fifos(bench, "c")
    stdin = bench.fifo("c-stdin")
    bench.create("c", ["sh", "-c", "cat; echo end >&2"], stdin=stdin, **paths)
    bench.tasks("Start", id="c")
    writer = os.open(stdin, os.O_WRONLY)
    os.write(writer, b"one\n")
    os.close(writer)  # a client that goes is not the end of the input
    writer = os.open(stdin, os.O_WRONLY)
    os.write(writer, b"two\n")
    bench.tasks("CloseIO", id="c", stdin=True)
    os.close(writer)
    assert bench.tasks("Wait", id="c").exit_status == 0
    assert [read_until_end(reader) for reader in readers] == [b"one\ntwo\n", b"end\n"]
    bench.tasks("Delete", id="c")
    for reader in readers:
        os.close(reader)


def test_much_output_arrives_whole_though_the_reader_comes_late(bench):
    paths, _ = {"stdout": bench.fifo("o")}, None
    bench.create("c", ["dd", "if=/dev/zero", "bs=65536", "count=64"], **paths)
    bench.tasks("Start", id="c")
    waiting = bench.tasks.begin("Wait", id="c")
    # The shim answers while nobody reads.
    assert bench.tasks("State", id="c").status in {RUNNING, STOPPED}
    reader = os.open(paths["stdout"], os.O_RDONLY)
    assert len(read_until_end(reader)) == 64 * 65536
    assert bench.tasks.end(waiting).exit_status == 0
    os.close(reader)
    bench.tasks("Delete", id="c")


def test_small_output_waits_for_a_reader_that_comes_after_the_end(bench):
    path = bench.fifo("o")
    bench.create("c", ["echo", "late"], stdout=path)
    bench.tasks("Start", id="c")
    bench.tasks("Wait", id="c")
    with open(path, "rb") as reader:  # opens because a writing side is left, ends because it goes once all is read
        assert reader.read() == b"late\n"
    bench.tasks("Delete", id="c")


def test_a_file_gets_both_streams(bench):
    path = bench.folder / "logs" / "both"
    uri = f"file://{path}"
    bench.create("c", ["sh", "-c", "echo out; echo err >&2"], stdout=uri, stderr=uri)
    bench.tasks("Start", id="c")
    bench.tasks("Wait", id="c")
    bench.tasks("Delete", id="c")
    assert sorted(path.read_text().splitlines()) == ["err", "out"]


def test_a_logger_gets_both_streams(bench):
    program = bench.folder / "logger"
    program.write_text(
        '#!/bin/sh\nexec 5>&-\necho "$CONTAINER_ID $CONTAINER_NAMESPACE $1 $2" >"$2"\ncat <&3 >>"$2"\ncat <&4 >>"$2"\n'
    )
    program.chmod(0o755)
    log = bench.folder / "logged"
    uri = f"binary://{program}?to={log}"
    bench.create("c", ["sh", "-c", "echo out; echo err >&2"], stdout=uri, stderr=uri)
    bench.tasks("Start", id="c")
    bench.tasks("Wait", id="c")
    bench.tasks("Delete", id="c")
    assert log.read_text().splitlines() == [f"c tests to {log}", "out", "err"]


def test_terminal(bench):
    stdin, stdout = bench.fifo("i"), bench.fifo("o")
    reader = os.open(stdout, os.O_RDONLY | os.O_NONBLOCK)
    bench.create("c", ["sh", "-c", "read x; stty size; echo got $x"], stdin=stdin, stdout=stdout, terminal=True)
    bench.tasks("ResizePty", id="c", width=132, height=43)
    bench.tasks("Start", id="c")
    writer = os.open(stdin, os.O_WRONLY)
    os.write(writer, b"hi\n")
    assert bench.tasks("Wait", id="c").exit_status == 0
    said = read_until_end(reader).replace(b"\r", b"").splitlines()
    assert said == [b"hi", b"43 132", b"got hi"]
    bench.tasks("Delete", id="c")
    os.close(writer)
    os.close(reader)


def test_exec(bench):
    paths, readers = fifos(bench, "e")
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    bench.tasks("Exec", id="c", exec_id="e", spec=benches.exec_spec("sh", "-c", "echo in; exit 7"), **paths)
    with pytest.raises(Failure, match="id e: already exists"):
        bench.tasks("Exec", id="c", exec_id="e", spec=benches.exec_spec("true"))
    assert bench.tasks("State", id="c", exec_id="e").status == CREATED
    with pytest.raises(Failure, match="process not created: failed precondition"):
        bench.tasks("Kill", id="c", exec_id="e", signal=9)
    waiting = bench.tasks.begin("Wait", id="c", exec_id="e")
    assert bench.tasks("Start", id="c", exec_id="e").pid
    assert bench.tasks.end(waiting).exit_status == 7
    assert read_until_end(readers[0]) == b"in\n"
    with pytest.raises(Failure, match="cannot start a stopped process"):
        bench.tasks("Start", id="c", exec_id="e")
    assert bench.tasks("Delete", id="c", exec_id="e").exit_status == 7
    with pytest.raises(Failure, match="process does not exist e: not found"):
        bench.tasks("State", id="c", exec_id="e")
    finish(bench, "c")
    bench.listener.wait(lambda topics: topics[-1:] == ["/tasks/delete"])
    wanted = ["create", "start", "exec-added", "exec-started", "exit", "exit", "delete"]
    assert bench.listener.topics == [f"/tasks/{name}" for name in wanted]
    for reader in readers:
        os.close(reader)


def test_exec_ends_are_told_before_the_end_of_init(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    for number in range(3):
        bench.tasks("Exec", id="c", exec_id=f"e{number}", spec=benches.exec_spec("sleep", "100"))
        bench.tasks("Start", id="c", exec_id=f"e{number}")
    execs = {info.pid for info in bench.tasks("Pids", id="c").processes if info.info.value}
    assert len(execs) == 3
    finish(bench, "c")
    bench.listener.wait(lambda topics: topics[-1:] == ["/tasks/delete"])
    exits = [envelope.event.value for envelope in bench.listener.envelopes if envelope.topic == "/tasks/exit"]
    ids = [bench.exit(value).id for value in exits]
    assert sorted(ids[:3]) == ["e0", "e1", "e2"]
    assert ids[3] == "c"


def test_exec_of_what_is_not_there(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    bench.tasks("Exec", id="c", exec_id="e", spec=benches.exec_spec("nosuch"))
    with pytest.raises(Failure, match=r'OCI runtime exec failed: .*"nosuch": executable file not found in \$PATH'):
        bench.tasks("Start", id="c", exec_id="e")
    bench.tasks("Delete", id="c", exec_id="e")
    finish(bench, "c")


def test_create_of_what_is_not_there_leaves_nothing(bench):
    with pytest.raises(Failure, match=r'OCI runtime create failed: .*"nosuch": executable file not found in \$PATH'):
        bench.create("c", ["nosuch"])
    assert bench.create("c", ["true"]).pid
    bench.tasks("Start", id="c")
    bench.tasks("Wait", id="c")
    bench.tasks("Delete", id="c")


def test_pause_and_resume(bench):
    bench.create("c", ["sleep", "100"])
    with pytest.raises(Failure, match="cannot pause task in created state"):
        bench.tasks("Pause", id="c")
    bench.tasks("Start", id="c")
    with pytest.raises(Failure, match="cannot resume a running process"):
        bench.tasks("Resume", id="c")
    bench.tasks("Pause", id="c")
    assert bench.tasks("State", id="c").status == PAUSED
    with pytest.raises(Failure, match="cannot pause a paused container"):
        bench.tasks("Pause", id="c")
    with pytest.raises(Failure, match="cannot delete a paused process"):
        bench.tasks("Delete", id="c")
    bench.tasks("Resume", id="c")
    assert bench.tasks("State", id="c").status == RUNNING
    finish(bench, "c")
    bench.listener.wait(lambda topics: topics[-1:] == ["/tasks/delete"])
    assert [topic for topic in bench.listener.topics if "us" in topic or "resum" in topic] == [
        "/tasks/paused",
        "/tasks/resumed",
    ]


def test_a_running_one_is_not_deleted_and_a_created_one_is(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    with pytest.raises(Failure, match="cannot delete a running process") as caught:
        bench.tasks("Delete", id="c")
    assert caught.value.code is status.Code.UNKNOWN
    with pytest.raises(Failure, match="cannot start a running process"):
        bench.tasks("Start", id="c")
    finish(bench, "c")
    bench.create("d", ["sleep", "100"])
    bench.tasks("Delete", id="d")
    topics = bench.listener.wait(lambda topics: topics.count("/tasks/delete") == 2)
    assert topics[-3:] == ["/tasks/create", "/tasks/exit", "/tasks/delete"]
    with pytest.raises(Failure, match="container not created"):
        bench.tasks("State", id="d")


def test_statistics_and_limits(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    limits = {"memory": {"limit": 64 << 20}, "pids": {"limit": 50}}
    resources = any_pb2.Any(type_url="types.containerd.io/resources", value=json.dumps(limits).encode())
    bench.tasks("Update", id="c", resources=resources)
    packed = bench.tasks("Stats", id="c").stats
    if packed.type_url == "io.containerd.cgroups.v1.Metrics":
        metrics = cgroups_v1_pb2.Metrics.FromString(packed.value)
        assert metrics.memory.usage.limit == 64 << 20
    else:
        metrics = cgroups_v2_pb2.Metrics.FromString(packed.value)
        assert metrics.memory.usage_limit == 64 << 20
    assert metrics.pids.current == 1
    assert metrics.pids.limit == 50
    finish(bench, "c")


def test_running_out_of_memory_is_told(bench):
    bench.create(
        "c",
        ["sh", "-c", "x=$(dd if=/dev/zero bs=1M count=64 | busybox tr '\\0' x); sleep 1; exit 3"],
        changes={"resources": {"memory": {"limit": 8 << 20, "swap": 8 << 20}}},
    )
    bench.tasks("Start", id="c")
    bench.listener.wait(lambda topics: "/tasks/oom" in topics)
    bench.tasks("Wait", id="c")
    bench.tasks("Delete", id="c")


def test_both_editions_of_the_api_see_the_same(bench):
    older = benches.Tasks(bench.address, edition=task_v2_pb2)
    bench.create("c", ["sleep", "100"], tasks=older)
    bench.tasks("Start", id="c")
    assert older("State", id="c").status == RUNNING
    both = {
        (edition("Connect", id="c").shim_pid, edition("Connect", id="c").task_pid) for edition in (older, bench.tasks)
    }
    assert both == {(bench.pid, older("State", id="c").pid)}
    finish(bench, "c", tasks=older)
    older.close()


def test_it_goes_when_told_and_empty(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    bench.tasks("Shutdown", id="c")
    assert bench.tasks("State", id="c").status == RUNNING
    finish(bench, "c")
    bench.tasks("Shutdown", id="c")
    assert bench.has_ended()
    assert not os.path.exists(bench.address)


def test_events_wait_for_a_daemon_that_is_away(bench):
    bench.create("c", ["sleep", "100"])
    bench.tasks("Start", id="c")
    bench.listener.wait(lambda topics: "/tasks/start" in topics)
    bench.listener.stop()
    finish(bench, "c")
    bench.create("d", ["true"])
    bench.tasks("Start", id="d")
    bench.tasks("Wait", id="d")
    bench.tasks("Delete", id="d")
    bench.listener.start()
    bench.listener.wait(lambda topics: topics.count("/tasks/delete") == 2)
    first = [f"/tasks/{name}" for name in ("create", "start", "exit", "delete")]
    # an event is told once more when its acknowledgement was lost with the daemon
    assert [topic for topic, _ in itertools.groupby(bench.listener.topics)] == first * 2


def test_a_container_that_shares_the_hosts_processes_ends_with_its_init(bench):
    bench.create(
        "c",
        ["sh", "-c", "sleep 1000 & echo $!; exit 0"],
        changes={"namespaces": ("ipc", "uts", "mount", "network")},
        stdout=bench.fifo("o"),
    )
    reader = os.open(str(bench.folder / "o"), os.O_RDONLY | os.O_NONBLOCK)
    bench.tasks("Start", id="c")
    bench.tasks("Wait", id="c")
    left = int(read_until_end(reader))
    bench.tasks("Delete", id="c")
    with pytest.raises(ProcessLookupError):
        os.kill(left, signal.SIGCONT)
    os.close(reader)


def test_what_it_does_not_know_is_unimplemented(bench):
    stream = bench.tasks._protocol.request("containerd.task.v9.Task", "State", b"")
    bench.tasks._socket.sendall(bench.tasks._protocol.take())
    with pytest.raises(Failure) as caught:
        bench.tasks.end((stream, None))
    assert caught.value.code is status.Code.UNIMPLEMENTED


SHOW = "while read name value; do case $name in Cap*) echo $name $value;; esac; done < /proc/self/status"


def test_an_exec_that_says_nothing_gets_the_walls_of_init(bench):
    out, said = bench.fifo("out"), bench.fifo("said")
    readers = [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in (out, said)]
    bench.create("c", ["sh", "-c", f"{SHOW}; sleep 100"], stdout=out)
    bench.tasks("Start", id="c")
    bench.tasks("Exec", id="c", exec_id="e", spec=benches.exec_spec("sh", "-c", SHOW), stdout=said)
    bench.tasks("Start", id="c", exec_id="e")
    bench.tasks("Wait", id="c", exec_id="e")
    bench.tasks("Delete", id="c", exec_id="e")
    finish(bench, "c")
    of_init, of_exec = map(read_until_end, readers)
    assert of_exec == of_init
    assert b"CapBnd: 0000000000000020\n" in of_init


def test_without_capabilities_there_are_none(bench):
    out = bench.fifo("out")
    reader = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
    bench.create("c", ["sh", "-c", SHOW], stdout=out, process={"capabilities": None})
    bench.tasks("Start", id="c")
    bench.tasks("Wait", id="c")
    bench.tasks("Delete", id="c")
    assert {line.split()[1] for line in read_until_end(reader).splitlines()} == {b"0000000000000000"}


@contextlib.contextmanager
def standing_still(bench):
    os.kill(bench.pid, signal.SIGSTOP)
    processes = [bench.pid, *bench.workers()]  # of which none is reaped now
    try:
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(processes):
            os.kill(pid, signal.SIGCONT)


def test_a_created_one_that_is_gone_is_deleted(bench):
    pid = bench.create("c", ["sleep", "100"]).pid
    with standing_still(bench):  # the request is there before the end of init has been seen
        asked = bench.tasks.begin("Delete", id="c")
        os.kill(pid, signal.SIGKILL)
    assert bench.tasks.end(asked).exit_status == 137
    with pytest.raises(Failure, match="container not created"):
        bench.tasks("State", id="c")


def test_input_may_come_from_a_file(bench):
    source = bench.folder / "source"
    source.write_text("from a file\n")
    out = bench.fifo("out")
    reader = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
    bench.create("c", ["cat"], stdin=str(source), stdout=out)
    bench.tasks("Start", id="c")
    assert bench.tasks("Wait", id="c").exit_status == 0
    bench.tasks("Delete", id="c")
    assert read_until_end(reader) == b"from a file\n"


@pytest.mark.parametrize("name", ["leftovers.json", "init.pid"])
def test_a_creation_that_fails_late_leaves_nothing(zygote, folder, listener, name):
    with contextlib.closing(benches.Bench(zygote, folder, listener).start(rest=60.0)) as bench:
        bench.create("other", ["sleep", "100"])
        listener.wait(lambda topics: topics == ["/tasks/create"])
        before = offspring(bench), bench.descriptors()
        obstacle = bench.bundle("c") / name
        obstacle.mkdir()
        with pytest.raises(Failure, match="Is a directory"):
            bench.create("c", ["sleep", "100"], terminal=True, stdout=bench.fifo("out"))
        assert (offspring(bench), bench.descriptors()) == before
        obstacle.rmdir()
        bench.create("c", ["true"])
        bench.tasks("Delete", id="c")
        topics = listener.wait(lambda topics: "/tasks/delete" in topics)
        assert topics == [f"/tasks/{name}" for name in ("create", "create", "exit", "delete")]


def offspring(bench):
    """All that the worker has born."""
    (worker,) = bench.workers()
    return pathlib.Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
