"""The daemon is killed again and again while containers run: they, their output, ends and events are all kept."""

import contextlib
import os
import signal
import time

import pytest
from integration.system import engines, reading

from boxship.core import mounts, tasks
from boxship.terms import errors

pytestmark = [pytest.mark.root, pytest.mark.slow]

ROUNDS = [signal.SIGKILL] * 5 + [signal.SIGTERM] * 2
FULL_LIFE = ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
LEAVER = "while [ ! -e /doors/{0} ]; do sleep 0.01; done; echo bye; exit {1}"


class Crowd:
    """Twenty containers of all sorts, and one more for each time that the daemon goes, which ends meanwhile."""

    def __init__(self, client, image, home):
        self.client, self.image, self.home = client, image, home
        self.doors = home / "doors"
        self.doors.mkdir(exist_ok=True)
        self.pids = {}
        self.logs = [self.logged(f"log-{n}", reading.COUNT) for n in range(8)]
        self.logs += [self.logged(f"tty-{n}", reading.COUNT, terminal=True) for n in range(4)]
        self.logs.append(self.logged("poured-log", reading.POUR))
        self.fifos = {
            id: self.piped(id, script) for id, script in (("poured-fifo", reading.POUR), ("fifo", reading.COUNT))
        }
        self.fifos["tty-fifo"] = self.piped("tty-fifo", reading.COUNT, terminal=True)
        self.created = self.piped("created", "echo late; exit 4", start=False)
        self.paused = self.logged("paused", reading.COUNT)
        client.tasks.pause("paused")
        self.logs.append(self.logged("host", reading.COUNT))
        self.execed = engines.until(lambda: self.exec("host"))
        self.logs.append(self.logged("last", reading.COUNT))
        self.leavers = [self.logged(f"leaver-{n}", LEAVER.format(n, 10 + n)) for n in range(len(ROUNDS))]

    def logged(self, id, script, **more):
        """Into a log, by the way that people take."""
        made = self.make(id, script, **more)
        made.start()
        self.pids[id] = made.status().pid
        return id

    def piped(self, id, script, *, start=True, terminal=False):
        """Into a FIFO that we read."""
        self.make(id, script, terminal=terminal, log="")
        fifo = reading.Fifo(self.home / f"{id}.fifo")
        io = tasks.IO(stdout=fifo.path, stderr="" if terminal else fifo.path, terminal=terminal)
        self.pids[id] = self.client.tasks.create(id, rootfs=self.client.snapshots().mounts(id), io=io)
        fifo.attached()
        if start:
            self.client.tasks.start(id)
        return fifo

    def make(self, id, script, **more):
        shared = mounts.Mount(type="bind", source=str(self.doors), target="/doors", options=("rbind", "ro"))
        return self.client.containers.create(self.image, ["sh", "-c", script], name=id, mounts=[shared], **more)

    def exec(self, id):
        from boxship.core import specs

        spec = self.client.containers.get(id).spec()
        spec["process"]["args"] = ["sh", "-c", reading.COUNT]
        fifo = reading.Fifo(self.home / "exec.fifo")
        io = tasks.IO(stdout=fifo.path, stderr=fifo.path)
        self.client.tasks.exec(id, "beside", io=io, spec=specs.process_to_bytes(spec["process"]))
        self.pids["beside"] = self.client.tasks.start(id, "beside")
        fifo.attached()
        return fifo

    def wanted_states(self, gone):
        states = {id: (tasks.Status.RUNNING, pid) for id, pid in self.pids.items() if id != "beside"}
        states["created"] = (tasks.Status.CREATED, self.pids["created"])
        states["paused"] = (tasks.Status.PAUSED, self.pids["paused"])
        for id in self.leavers[:gone]:
            del states[id]
        return states

    def states(self):
        return {id: (state.status, state.pid) for id, state in self.client.containers.states().items()}


def restart(engine, crowd, number, how):
    """The daemon goes, one container ends, the daemon comes back. Returns when it ended, as far as we know."""
    crowd.client.close()
    engine.end(how)
    leaver = crowd.leavers[number]
    assert engines.is_alive(crowd.pids[leaver])
    down = time.time_ns()
    (crowd.doors / str(number)).touch()
    engines.until(lambda: not engines.is_alive(crowd.pids[leaver]), f"the end of {leaver}")
    up = time.time_ns()
    engine.start()
    crowd.client = engine.connect()
    return down, up


def check_leaver(crowd, ear, number, down, up):
    """What it did while the daemon was away is known, told once, and can be deleted."""
    id, status = crowd.leavers[number], 10 + number
    found = crowd.client.containers.get(id)
    state = found.status()
    assert (state.status, state.exit_status) == (tasks.Status.STOPPED, status)
    assert down < state.exited_at < up + 10**9
    exit_ = found.wait()
    assert (exit_.status, exit_.exited_at) == (status, state.exited_at)
    assert b"".join(found.logs()) == b"bye\n"
    found.remove()
    ear.wait_for("/tasks/delete", id)
    assert ear.topics(id) == FULL_LIFE
    (told,) = ear.exits(id)
    assert (told["exit_status"], told["pid"], told["exited_at"]) == (status, crowd.pids[id], state.exited_at)


def end(crowd, id):
    """Ask one to end, and delete its task."""
    later = crowd.client.tasks.wait(id)
    crowd.client.tasks.kill(id, signal=signal.SIGTERM)
    assert later.result(engines.PATIENCE).status == 3
    assert crowd.client.tasks.delete(id).status == 3


def end_all(crowd):
    """Returns how far each has counted."""
    client = crowd.client
    client.tasks.resume("paused")
    crowd.logs.append("paused")
    later = client.tasks.wait("host", "beside")
    client.tasks.kill("host", signal=signal.SIGTERM, exec_id="beside")
    assert later.result(engines.PATIENCE).status == 3
    assert client.tasks.delete_process("host", "beside").status == 3
    counts = {"beside": reading.counted(crowd.execed.value())}
    for id in crowd.logs:
        end(crowd, id)
        counts[id] = reading.counted(b"".join(client.containers.get(id).logs()))
    for id, fifo in crowd.fifos.items():
        end(crowd, id)
        counts[id] = reading.counted(fifo.value())
    later = client.tasks.wait("created")
    assert client.tasks.start("created") == crowd.pids["created"]
    assert later.result(engines.PATIENCE).status == 4
    assert client.tasks.delete("created").status == 4
    assert crowd.created.value() == b"late\n"
    return counts


def test_twenty_containers_and_a_daemon_that_is_killed(engine, image, ear):
    crowd = Crowd(engine.connect(), image, engine.home)
    assert crowd.states() == crowd.wanted_states(0)
    for number, how in enumerate(ROUNDS):
        down, up = restart(engine, crowd, number, how)
        with contextlib.suppress(errors.NotFound):
            crowd.client.tasks.get(crowd.leavers[number])
        assert crowd.states() | {crowd.leavers[number]: 0} == crowd.wanted_states(number) | {crowd.leavers[number]: 0}
        check_leaver(crowd, ear, number, down, up)
        assert crowd.states() == crowd.wanted_states(number + 1)
    ear.settle()
    counts = end_all(crowd)
    assert min(counts.values()) > 10
    everyone = [*crowd.logs, *crowd.fifos, "created"]
    assert len(everyone) == 20
    for id in everyone:
        ear.wait_for("/tasks/delete", id)
        assert len(ear.exits(id)) == 1
        assert [topic for topic in ear.topics(id) if topic in FULL_LIFE].count("/tasks/exit") == (
            2 if id == "host" else 1
        )
        crowd.client.containers.get(id).remove()
    assert len(ear.exits("host", "beside")) == 1
    assert crowd.client.containers.list() == []
    assert crowd.client.tasks.list() == []
    crowd.client.close()
    assert engine.processes() == set()


@pytest.fixture
def sleeper(client, image):
    """A container with two processes; returns its id and their numbers."""
    made = client.containers.create(
        image, ["sh", "-c", "sleep 1000 & exec sleep 1001"], name=f"sleeper-{time.monotonic_ns()}"
    )
    made.start()
    engines.until(lambda: len(made.processes()) == 2)
    yield made.id, [each.pid for each in made.processes()]
    with contextlib.suppress(errors.Error):
        made.remove(force=True)


def check_lost(engine, ear, id, pids):
    """The shim was killed: the container ends with it, and that is told once."""
    ear.wait_for("/tasks/delete", id)
    ear.settle()
    (exit_,) = ear.exits(id)
    assert (exit_["exit_status"], exit_["pid"] in pids) == (137, True)
    assert ear.topics(id) == FULL_LIFE
    engines.until(lambda: not any(map(engines.is_alive, pids)), "the end of the container's processes")
    with engine.connect() as client:
        with pytest.raises(errors.NotFound):
            client.tasks.get(id)
        client.containers.get(id).remove()
    assert not engine.bundle(id).exists()


def test_a_shim_is_killed(engine, ear, sleeper):
    id, pids = sleeper
    with engine.connect() as client:
        waiting = client.tasks.wait(id)
        os.kill(engine.shim_of(id), signal.SIGKILL)
        assert waiting.result(engines.PATIENCE).status == 137
    check_lost(engine, ear, id, pids)


def test_a_shim_is_killed_between_create_and_start(engine, client, image, ear):
    made = client.containers.create(image, ["sleep", "1000"])
    pid = client.tasks.create(made.id, rootfs=client.snapshots().mounts(made.id), io=tasks.IO())
    os.kill(engine.shim_of(made.id), signal.SIGKILL)
    ear.wait_for("/tasks/delete", made.id)
    assert [(each["exit_status"], each["pid"]) for each in ear.exits(made.id)] == [(137, pid)]
    engines.until(lambda: not engines.is_alive(pid), "the end of its process")
    with pytest.raises(errors.NotFound):
        client.tasks.start(made.id)
    made.remove()


def test_a_shim_is_killed_while_the_daemon_is_away(engine, ear, sleeper):
    id, pids = sleeper
    ear.wait_for("/tasks/start", id)
    engine.kill()
    os.kill(engine.shim_of(id), signal.SIGKILL)
    engine.start()
    check_lost(engine, ear, id, pids)


def test_a_shim_that_stands_still_holds_up_nobody(engine, client, image, sleeper):
    id, _ = sleeper
    other = client.containers.create(image, ["sleep", "1000"])
    other.start()
    shim = engine.shim_of(id)
    os.kill(shim, signal.SIGSTOP)
    try:
        engine.kill()
        assert engine.start() < 10
        with engine.connect() as again:
            assert again.containers.get(other.id).status().status is tasks.Status.RUNNING
            again.containers.get(other.id).remove(force=True)
    finally:
        os.kill(shim, signal.SIGCONT)
    with engine.connect() as again:
        found = again.containers.get(id)
        engines.until(lambda: found.status().status is tasks.Status.RUNNING, "an answer of the shim")
        found.remove(force=True)
    engines.until(lambda: not engines.is_alive(shim), "the end of the shim")
