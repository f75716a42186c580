"""A shim that has ended its container is given the next one, and nothing of the first is left in it."""

import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from integration.shim import benches

from boxship.linux import cgroups
from boxship.shim import run
from boxship.zygote import client as zygotes

pytestmark = [pytest.mark.root, pytest.mark.slow]
SOURCE = pathlib.Path(__file__).parents[3] / "src"


@pytest.fixture
def zygote():
    made = zygotes.Zygote({"shim": "boxship.shim.run:run"}, path=[str(SOURCE), *zygotes._module_path()], spare="shim")
    yield made
    made.close()


class Lives:
    """Shims of one zygote, each container in a folder of its own."""

    def __init__(self, zygote, folder, listener):
        self._zygote, self._folder, self._listener = zygote, folder, listener
        self._count = 0

    def begin(self):
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        return benches.Bench(self._zygote, folder, self._listener).start(rest=60.0)

    def one(self, **options):
        """From start to end; returns the pid of the shim."""
        bench = self.begin()
        said = bench.fifo("out")
        reader = os.open(said, os.O_RDONLY | os.O_NONBLOCK)
        bench.create("c", ["echo", f"life {self._count}"], stdout=said, **options)
        waiting = bench.tasks.begin("Wait", id="c")
        bench.tasks("Start", id="c")
        assert benches.read_until_end(reader) == b"life %d\n" % self._count
        os.close(reader)
        assert bench.tasks.end(waiting).exit_status == 0
        assert bench.tasks("Delete", id="c").exit_status == 0
        bench.close()
        return bench

    def again(self, pid):
        """The next life of a shim that has had one; others may be asked before it."""
        others = []
        deadline = time.monotonic() + 10
        while (bench := self.begin()).pid != pid:
            others.append(bench)
            assert time.monotonic() < deadline, "it was not asked again"
        for other in others:
            other.close()
        return bench


@pytest.fixture
def lives(zygote, folder, listener):
    return Lives(zygote, folder, listener)


def facts(bench):
    (worker,) = bench.workers()
    descriptors = [re.sub(r"\[\d+\]", "", name.replace(str(bench.folder), "")) for name in bench.descriptors()]
    return {
        "descriptors": sorted(descriptors),
        "oom": [pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text() for pid in (bench.pid, worker)],
        "signals": pathlib.Path(f"/proc/{worker}/status").read_text().partition("SigPnd")[2].partition("CapInh")[0],
        "cgroups": pathlib.Path(f"/proc/{worker}/cgroup").read_text(),
        "worker": worker,
    }


def test_the_next_life_begins_as_the_first_did(lives):
    first = lives.begin()
    first.tasks("Connect", id="c")
    before = facts(first)
    assert "/first/shim.log" in before["descriptors"]
    first.create("c", ["sleep", "100"])
    first.tasks("Start", id="c")
    first.close()
    second = lives.again(first.pid)
    second.tasks("Connect", id="c")
    assert os.readlink(f"/proc/{second.pid}/cwd") == str(second.folder / "first")
    assert facts(second) == before
    with pytest.raises(benches.Failure, match="container not created"):
        second.tasks("State", id="c")
    second.close()


def test_each_life_tells_its_own(lives, listener):
    for _ in range(10):
        lives.one()
    listener.wait(lambda topics: topics.count("/tasks/exit") == 10)
    told = [benches.Bench.exit(each.event.value) for each in listener.envelopes if each.topic == "/tasks/exit"]
    assert len(told) == 10
    assert len({each.pid for each in told}) == 10


def test_a_shim_lives_so_often_and_no_more(lives):
    seen: dict[int, list[int]] = {}
    while not seen or max(map(len, seen.values())) < run.MOST_LIVES:
        bench = lives.one()
        rest = pathlib.Path(f"/proc/{bench.pid}/statm")
        seen.setdefault(bench.pid, []).append(int(rest.read_text().split()[1]) if rest.exists() else 0)
    pid = max(seen, key=lambda each: len(seen[each]))
    assert len(seen[pid]) == run.MOST_LIVES
    assert bench.pid == pid
    assert bench.has_ended()


def test_one_that_joined_a_cgroup_has_had_its_only_life(lives):
    group = f"/boxship-tests-{os.getpid()}-shim"
    try:
        ended = lives.one(options={"shim_cgroup": group})
        assert ended.has_ended()
        assert lives.one().pid != ended.pid
    finally:
        cgroups.make(group).delete()


ALONE = """
import os
from boxship.shim import run
before = run._likeness()
print(run._is_as(before))
fd = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
print(run._is_as(before))
os.close(fd)
pid = os.posix_spawn("/bin/true", ["true"], {})
print(run._is_as(before))
os.waitpid(pid, 0)
print(run._is_as(before))
"""


def test_a_shim_with_something_left_is_not_as_it_was():
    """In a process of its own: ours has children of other tests."""
    told = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "False", "False", "True"]
