"""The same specification gives a group the same limits as runc gives it."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from integration.ocirun.conftest import Bundle
from integration.unified.runc import Runc, limits

from boxship.linux import cgroups, cgrouptree
from boxship.ocirun import start, update

MIB = 1 << 20


def _disk() -> dict[str, int]:
    """The numbers of the disk that has the root folder."""
    device = os.stat("/").st_dev
    return {"major": os.major(device), "minor": os.minor(device)}


WANTED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    # name -> resources, some of the files as they must be
    "nothing": ({}, {"memory.max": "max", "pids.max": "max"}),
    "memory": ({"memory": {"limit": 64 * MIB}}, {"memory.max": str(64 * MIB), "memory.swap.max": "max"}),
    "memory and swap": (
        {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}},
        {"memory.max": str(64 * MIB), "memory.swap.max": str(32 * MIB)},
    ),
    "no swap": ({"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, {"memory.swap.max": "0"}),
    "boundless swap": ({"memory": {"limit": 64 * MIB, "swap": -1}}, {"memory.swap.max": "max"}),
    "boundless memory": ({"memory": {"limit": -1}}, {"memory.max": "max"}),
    "reservation": ({"memory": {"limit": 64 * MIB, "reservation": 32 * MIB}}, {"memory.low": str(32 * MIB)}),
    "processor": (
        {"cpu": {"shares": 512, "quota": 25000, "period": 50000}},
        {"cpu.weight": "20", "cpu.max": "25000 50000"},
    ),
    "quota alone": ({"cpu": {"quota": 30000}}, {"cpu.max": "30000 100000"}),
    "period alone": ({"cpu": {"period": 20000}}, {"cpu.max": "max 20000"}),
    "no quota": ({"cpu": {"quota": -1, "period": 20000}}, {"cpu.max": "max 20000"}),
    "fewest shares": ({"cpu": {"shares": 2}}, {"cpu.weight": "1"}),
    "most shares": ({"cpu": {"shares": 262144}}, {"cpu.weight": "10000"}),
    "places": ({"cpu": {"cpus": "0", "mems": "0"}}, {"cpuset.cpus": "0", "cpuset.mems": "0"}),
    "processes": ({"pids": {"limit": 17}}, {"pids.max": "17"}),
    "boundless processes": ({"pids": {"limit": -1}}, {"pids.max": "max"}),
    "weight": ({"blockIO": {"weight": 300}}, {}),
    "huge pages": (
        {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]},
        {"hugetlb.2MB.max": str(4 * MIB), "hugetlb.2MB.rsvd.max": str(4 * MIB)},
    ),
    "unified": (
        {"memory": {"limit": 64 * MIB}, "unified": {"memory.high": str(48 * MIB), "pids.max": "9"}},
        {"memory.high": str(48 * MIB), "pids.max": "9"},
    ),
}


@pytest.mark.parametrize("name", WANTED)
def test_limits_are_those_of_runc(bundle: Bundle, runc: Runc, name: str) -> None:
    resources, expected = WANTED[name]
    bundle.linux["resources"] |= resources
    theirs = limits(runc.cgroup(runc.create("true")).paths[""])
    with bundle.created("true") as box:
        ours = limits(box.cgroup.paths[""])
    assert expected.items() <= ours.items()
    # runc limits reservations since 1.2 only
    assert ours == theirs | {file: value for file, value in expected.items() if ".rsvd." in file}
    assert bundle.warnings == []


def test_limits_of_a_disk_are_those_of_runc(bundle: Bundle, runc: Runc) -> None:
    keys = ("throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice", "throttleWriteIOPSDevice")
    rates = (5 * MIB, 6 * MIB, 700, 800)
    bundle.linux["resources"]["blockIO"] = {
        key: [{**_disk(), "rate": rate}] for key, rate in zip(keys, rates, strict=True)
    }
    theirs = limits(runc.cgroup(runc.create("true")).paths[""])
    with bundle.created("true") as box:
        ours = limits(box.cgroup.paths[""])
    assert ours == theirs
    device = "{major}:{minor}".format(**_disk())
    assert ours["io.max"] == f"{device} rbps={5 * MIB} wbps={6 * MIB} riops=700 wiops=800"


@pytest.fixture
def bfq() -> Iterator[None]:
    """The scheduler, whose weights then are the ones that count."""
    if subprocess.run(["modprobe", "bfq"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this kernel has no BFQ")
    yield
    subprocess.run(["modprobe", "-r", "bfq"], check=True)


@pytest.mark.usefixtures("bfq")
def test_weights_of_bfq_are_those_of_runc(bundle: Bundle, runc: Runc) -> None:
    bundle.linux["resources"]["blockIO"] = {"weight": 300}
    theirs = limits(runc.cgroup(runc.create("true")).paths[""])
    with bundle.created("true") as box:
        ours = limits(box.cgroup.paths[""])
    assert ours == theirs
    assert ours["io.bfq.weight"] == "default 300"


def test_updates_are_those_of_runc(bundle: Bundle, runc: Runc) -> None:
    bundle.linux["resources"] |= {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}, "pids": {"limit": 50}}
    steps: list[dict[str, Any]] = [
        {"memory": {"limit": 128 * MIB, "swap": 160 * MIB}},
        {"memory": {"limit": 32 * MIB, "swap": 32 * MIB}},
        {"cpu": {"quota": 20000, "period": 100000, "shares": 100}},
        {"pids": {"limit": 99}},
    ]
    id = runc.create("sleep", "1000")
    runc("start", id)
    group = runc.cgroup(id).paths[""]
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        for step in steps:
            runc("update", "--resources", "-", id, input=json.dumps(step))
            update.update(box, step)
            assert limits(box.cgroup.paths[""]) == limits(group), step


def test_swap_alone_can_be_changed(bundle: Bundle) -> None:
    bundle.linux["resources"]["memory"] = {"limit": 64 * MIB}
    with bundle.created("true") as box:
        update.update(box, {"memory": {"swap": 80 * MIB}})
        assert limits(box.cgroup.paths[""])["memory.swap.max"] == str(16 * MIB)


def test_a_path_without_slash_begins_where_runc_begins_it(bundle: Bundle, runc: Runc) -> None:
    """Beside the group of who makes it: below it no controller could be handed down past its processes."""
    bundle.linux["resources"]["memory"] = {"limit": 64 * MIB}
    bundle.linux["cgroupsPath"] = f"boxship-relative-{os.getpid()}"
    with bundle.created("true") as box:
        folder = box.cgroup.paths[""]
        assert limits(folder)["memory.max"] == str(64 * MIB)
    own = cgrouptree.groups_of()[""]
    assert os.path.dirname(folder) == "/sys/fs/cgroup" + os.path.dirname(own).rstrip("/")


def test_every_controller_of_the_machine_is_handed_down(bundle: Bundle) -> None:
    with open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii") as file:
        available = file.read().split()
    with (
        bundle.created("true") as box,
        open(f"{box.cgroup.paths['']}/cgroup.controllers", encoding="ascii") as file,
    ):
        assert file.read().split() == available
        assert isinstance(box.cgroup, cgroups.Cgroup)
