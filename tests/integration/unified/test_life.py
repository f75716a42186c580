"""What the kernel does with a version 2 group, and what we see of it."""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from integration.ocirun.conftest import Bundle, execute
from integration.unified.runc import Runc

from boxship.linux import cgroupfiles, cgroups, processes
from boxship.ocirun import delete, start

MIB = 1 << 20


def _until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def _folder(group: cgroups.Cgroup) -> str:
    return group.paths[""]


def test_the_container_sees_its_group_as_the_root(bundle: Bundle) -> None:
    status, said = bundle.sh("cat /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs; grep cgroup /proc/self/mounts")
    assert status == 0
    first, *members, mount = said.splitlines()
    assert first == "0::/"
    assert "1" in members
    assert mount.split()[1:4] == ["/sys/fs/cgroup", "cgroup2", mount.split()[3]]
    assert mount.split()[3].split(",")[0] == "ro"


def test_without_a_namespace_it_sees_its_own_group_only(bundle: Bundle) -> None:
    bundle.linux["namespaces"] = [item for item in bundle.linux["namespaces"] if item["type"] != "cgroup"]
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        inside = execute(box, "cat", "/proc/self/cgroup")[1].strip()
        assert "/sys/fs/cgroup" + inside.removeprefix("0::") == _folder(box.cgroup)
        assert "1" in execute(box, "cat", "/sys/fs/cgroup/cgroup.procs")[1].split()


def test_it_is_born_in_its_group(bundle: Bundle) -> None:
    with bundle.created("sleep", "1000") as box:
        assert cgroups.of_process(box.pid).paths == box.cgroup.paths
        start.start(box)
        assert box.cgroup.pids() == [box.pid]
    assert not os.path.exists(_folder(box.cgroup))


def test_too_much_memory_is_an_event(bundle: Bundle) -> None:
    bundle.linux["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    with bundle.created("sh", "-c", "head -c 64m /dev/zero | tail; exit 3") as box:
        watch = box.cgroup.oom_watch()
        start.start(box)
        assert processes.exit_status(box.pidfd) == 3  # the init lived on
        assert select.select([watch], [], [], 30)[0]
        # one or both of the pipe
        killed = box.cgroup.statistics()["memory_events"]["oom_kill"]
        assert killed in {1, 2}
        assert watch.read() == killed
        assert watch.read() == 0
        watch.close()


def test_no_more_processes_than_allowed(bundle: Bundle) -> None:
    bundle.linux["resources"]["pids"] = {"limit": 4}
    status, said = bundle.sh("for i in 1 2 3 4 5 6; do sleep 1000 & done; echo $?")
    assert (status, "can't fork" in said) == (2, True)


def test_a_quota_slows_it_down(bundle: Bundle) -> None:
    bundle.linux["resources"]["cpu"] = {"quota": 10000, "period": 100000}
    with bundle.created("sh", "-c", "while true; do :; done") as box:
        start.start(box)
        _until(lambda: box.cgroup.statistics()["cpu"]["nr_throttled"] > 2)
        found = box.cgroup.statistics()["cpu"]
        assert found["throttled_usec"] > found["usage_usec"]


def test_what_is_frozen_stands_still_until_it_is_thawed(bundle: Bundle) -> None:
    with bundle.created("sh", "-c", "while true; do :; done") as box:
        start.start(box)
        box.cgroup.freeze()
        assert box.cgroup.is_frozen()
        before = box.cgroup.statistics()["cpu"]["usage_usec"]
        assert not select.select([box.pidfd], [], [], 0.3)[0]
        assert box.cgroup.statistics()["cpu"]["usage_usec"] == before
        box.cgroup.thaw()
        assert not box.cgroup.is_frozen()
        _until(lambda: box.cgroup.statistics()["cpu"]["usage_usec"] > before)


def test_one_write_kills_all_even_the_frozen(bundle: Bundle) -> None:
    # of the machine's processes: nobody goes because init goes
    bundle.linux["namespaces"] = [item for item in bundle.linux["namespaces"] if item["type"] != "pid"]
    with bundle.created("sh", "-c", "sleep 1000 & sleep 1000 & wait") as box:
        start.start(box)
        _until(lambda: len(box.cgroup.pids()) == 3)
        box.cgroup.freeze()
        box.cgroup.signal(signal.SIGKILL)
        assert processes.exit_status(box.pidfd) == 128 + signal.SIGKILL
        _until(lambda: "populated 0" in cgroupfiles.read(f"{_folder(box.cgroup)}/cgroup.events"))


def test_who_forks_without_end_is_killed_and_deleted(bundle: Bundle) -> None:
    bundle.linux["resources"]["pids"] = {"limit": 200}
    bundle.linux["namespaces"] = [item for item in bundle.linux["namespaces"] if item["type"] != "pid"]
    with bundle.created("sh", "-c", "while true; do (sh -c 'while true; do (:) & done') & done 2>/dev/null") as box:
        start.start(box)
        _until(lambda: box.cgroup.statistics()["pids"]["current"] > 100)
        delete.delete(box, force=True)
    assert not os.path.exists(_folder(box.cgroup))


SPLIT = (
    "cd /sys/fs/cgroup && mkdir inner && echo 0 >inner/cgroup.procs && echo +pids >cgroup.subtree_control"
    " && echo ready >/ready; exec sleep 1000"
)


def test_a_container_may_divide_its_group(bundle: Bundle) -> None:
    """As systemd does inside; then no process may be in the outer group, and exec goes where init is."""
    for mount in bundle.spec["mounts"]:
        if mount["destination"] == "/sys/fs/cgroup":
            mount["options"].remove("ro")
    with bundle.created("sh", "-c", SPLIT) as box:
        start.start(box)
        _until((bundle.rootfs / "ready").exists)
        assert execute(box, "cat", "/proc/self/cgroup") == (0, "0::/inner\n")
        assert len(box.cgroup.pids()) == 1
        box.cgroup.freeze()
        box.cgroup.thaw()
        assert box.cgroup.statistics()["pids"]["current"] == 1
    assert not os.path.exists(_folder(box.cgroup))


def test_statistics_are_those_of_runc(bundle: Bundle, runc: Runc) -> None:
    bundle.linux["resources"] |= {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}, "pids": {"limit": 20}}
    bundle.linux["resources"]["cpu"] = {"quota": 50000, "period": 100000}
    id = runc.create("sh", "-c", "head -c 8m /dev/zero >/dev/shm/x; cat /bin/busybox >/copy; echo >/ready; sleep 1000")
    runc("start", id)
    _until((bundle.rootfs / "ready").exists)
    runc("pause", id)
    group = runc.cgroup(id)
    assert group.is_frozen()
    # little changes between the readings, since nothing runs
    ours, told, later = group.statistics(), json.loads(runc("events", "--stats", id))["data"], group.statistics()
    assert ours["pids"] == {"current": told["pids"]["current"], "limit": told["pids"]["limit"]}
    cpu, throttling = told["cpu"]["usage"], told["cpu"]["throttling"]
    for name, value in (
        ("usage_usec", cpu["total"] // 1000),
        ("user_usec", cpu["user"] // 1000),
        ("system_usec", cpu["kernel"] // 1000),
        ("nr_periods", throttling.get("periods", 0)),
        ("nr_throttled", throttling.get("throttledPeriods", 0)),
        ("throttled_usec", throttling.get("throttledTime", 0) // 1000),
    ):
        assert ours["cpu"][name] <= value <= later["cpu"][name], name
    memory = told["memory"]
    assert ours["memory"]["usage_limit"] == memory["usage"]["limit"] == 64 * MIB
    # the kernel sums these up when enough has changed: 64 pages for each processor
    slack = 2 * 64 * 4096 * (os.cpu_count() or 1)
    assert ours["memory"]["usage"] == pytest.approx(memory["usage"]["usage"], abs=slack)
    for name in ("anon", "file", "shmem", "pgfault", "inactive_anon", "active_file", "slab_reclaimable"):
        assert ours["memory"][name] == pytest.approx(memory["raw"][name], abs=slack), name
    assert ours["memory"]["shmem"] >= 8 * MIB - slack
    assert {page["pagesize"] for page in ours["hugetlb"]} == set(told["hugetlb"])
    runc("resume", id)
    assert not group.is_frozen()
