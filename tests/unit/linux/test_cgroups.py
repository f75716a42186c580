"""Control groups on folders that look like them, and, as root, on real ones."""

import os
import pathlib
import signal
import subprocess

import pytest

from boxship.linux import (
    cgroupfiles,
    cgroups,
    cgroups1,
    cgroups2,
    cgroupstats1,
    cgroupstats2,
    cgrouptree,
    devicerules,
    mounttable,
)


def _tree(lines: str) -> cgrouptree.Tree:
    return cgrouptree.from_mounts(list(mounttable.parse_mountinfo(lines.encode())))


LEGACY = """31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
"""
UNIFIED = "35 23 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


def test_modes() -> None:
    assert _tree(LEGACY).mode is cgrouptree.Mode.LEGACY
    assert _tree(UNIFIED).mode is cgrouptree.Mode.UNIFIED
    assert _tree(UNIFIED).version == 2
    hybrid = _tree(LEGACY + UNIFIED.replace("/sys/fs/cgroup rw", "/sys/fs/cgroup/unified rw"))
    assert hybrid.mode is cgrouptree.Mode.HYBRID
    assert hybrid.version == 1
    assert set(hybrid.controllers) == {"cpu", "cpuacct", "name=systemd"}


def test_a_version_1_mount_beside_a_unified_tree_changes_nothing() -> None:
    classes = "40 35 0:40 / /sys/fs/cgroup/net_cls rw - cgroup none rw,net_cls\n"
    tree = _tree(UNIFIED + classes)
    assert tree.version == 2
    assert tree.controllers == {}
    assert tree == _tree(UNIFIED)


def test_no_hierarchy_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="control groups"):
        cgroups.make("/x", tree=_tree(""))


def test_groups_of_a_process() -> None:
    text = b"4:memory:/a:b\n1:cpu,cpuacct:/x\n0::/u\n"
    assert cgrouptree.parse_groups(text) == {"memory": "/a:b", "cpu": "/x", "cpuacct": "/x", "": "/u"}


@pytest.mark.parametrize(("shares", "weight"), [(0, 0), (2, 1), (1024, 39), (262144, 10000)])
def test_shares_as_weight(shares: int, weight: int) -> None:
    assert cgroups2.cpu_weight(shares) == weight


def test_settings_of_version_1() -> None:
    resources = {
        "cpu": {"shares": 512, "quota": -1, "period": 50000, "cpus": "0-1", "idle": 1},
        "memory": {"limit": 1, "reservation": 2, "swappiness": 0, "disableOOMKiller": True},
        "pids": {"limit": -1},
        "blockIO": {"weight": 300, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
        "network": {"classID": 5, "priorities": [{"name": "eth0", "priority": 3}]},
        "rdma": {"mlx": {"hcaHandles": 3, "hcaObjects": 4}},
    }
    assert list(cgroups1.settings(resources)) == [
        ("cpu", "cpu.shares", "512"),
        ("cpu", "cpu.cfs_period_us", "50000"),
        ("cpu", "cpu.cfs_quota_us", "-1"),
        ("cpuset", "cpuset.cpus", "0-1"),
        ("cpu", "cpu.idle", "1"),
        ("memory", "memory.soft_limit_in_bytes", "2"),
        ("memory", "memory.swappiness", "0"),
        ("memory", "memory.oom_control", "1"),
        ("pids", "pids.max", "max"),
        ("blkio", "blkio.weight", "300"),
        ("blkio", "blkio.throttle.read_bps_device", "8:0 1000"),
        ("hugetlb", "hugetlb.2MB.limit_in_bytes", "9"),
        ("net_cls", "net_cls.classid", "5"),
        ("net_prio", "net_prio.ifpriomap", "eth0 3"),
        ("rdma", "rdma.max", "mlx hca_handle=3 hca_object=4"),
    ]


def test_settings_of_version_2() -> None:
    resources = {
        "cpu": {"shares": 1024, "quota": 50000, "burst": 10, "mems": "0"},
        "memory": {"limit": 100, "swap": 150, "reservation": 50},
        "pids": {"limit": 7},
        "blockIO": {"weight": 100, "throttleWriteIOPSDevice": [{"major": 8, "minor": 1, "rate": 5}]},
        "unified": {"memory.high": "90"},
    }
    assert list(cgroups2.settings(resources)) == [
        ("cpu.weight", "39"),
        ("cpu.max", "50000 100000"),
        ("cpu.max.burst", "10"),
        ("cpuset.mems", "0"),
        ("memory.swap.max", "50"),
        ("memory.max", "100"),
        ("memory.low", "50"),
        ("pids.max", "7"),
        ("io.weight", "910"),
        ("io.max", "8:1 wiops=5"),
        ("memory.high", "90"),
    ]


def test_huge_pages_are_limited_when_reserved_and_when_used() -> None:
    found = list(cgroups2.settings({"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]}))
    assert found == [("hugetlb.2MB.max", "9"), ("hugetlb.2MB.rsvd.max", "9")]


def test_what_an_old_kernel_has_not_is_passed_over(unified: pathlib.Path) -> None:
    limits = {"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]}
    cgroups.find({"": str(unified)}).apply(limits, devices=False)
    assert (unified / "hugetlb.2MB.max").read_text().startswith("9")


def test_weights_are_bfqs_where_that_is() -> None:
    block = {"weight": 100, "weightDevice": [{"major": 8, "minor": 0, "weight": 200}]}
    found = list(cgroups2.settings({"blockIO": block}, has_bfq=True))
    assert found == [("io.bfq.weight", "100"), ("io.bfq.weight", "8:0 200")]


@pytest.mark.parametrize(
    "resources",
    [{"memory": {"swap": 5}}, {"memory": {"swap": 5, "limit": 9}}, {"unified": {"../memory.max": "1"}}],
)
def test_version_2_limits_that_cannot_be(resources: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|needs"):
        list(cgroups2.settings(resources))


@pytest.fixture
def unified(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder that looks like a version 2 group."""
    files = {
        "cgroup.controllers": "cpu io memory pids hugetlb rdma\n",
        "cgroup.procs": "12\n34\n",
        "cgroup.events": "populated 1\nfrozen 0\n",
        "cpu.stat": "usage_usec 100\nuser_usec 60\nsystem_usec 40\nnr_periods 1\nnr_throttled 2\nthrottled_usec 3\n",
        "cpu.pressure": "some avg10=0.50 avg60=1.00 avg300=0.00 total=7\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        "memory.stat": "anon 5\nfile 6\nworkingset_refault_anon 1\nworkingset_refault_file 2\n",
        "memory.current": "4096\n",
        "memory.max": "max\n",
        "memory.high": "max\n",
        "memory.events": "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n",
        "pids.current": "2\n",
        "pids.max": "max\n",
        "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\nnonsense\n",
        "hugetlb.2MB.current": "0\n",
        "hugetlb.2MB.max": "max\n",
        "hugetlb.2MB.events": "max 9\n",
        "rdma.current": "mlx hca_handle=1 hca_object=max\n",
        "rdma.max": "mlx hca_handle=max hca_object=2\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_statistics_of_version_2(unified: pathlib.Path) -> None:
    found = cgroupstats2.read(str(unified))
    assert found["pids"] == {"current": 2, "limit": cgroupfiles.UNLIMITED}
    assert found["cpu"]["usage_usec"] == 100
    assert found["cpu"]["psi"]["some"] == {"avg10": 0.5, "avg60": 1.0, "avg300": 0.0, "total": 7}
    assert found["memory"]["anon"] == 5
    assert found["memory"]["workingset_refault"] == 3
    assert found["memory"]["usage_limit"] == cgroupfiles.UNLIMITED
    assert found["memory_events"] == {"low": 0, "high": 1, "max": 2, "oom": 3, "oom_kill": 4, "oom_group_kill": 0}
    assert found["io"]["usage"] == [{"major": 8, "minor": 0, "rbytes": 1, "wbytes": 2, "rios": 3, "wios": 4}]
    assert found["hugetlb"] == [{"current": 0, "max": cgroupfiles.UNLIMITED, "failcnt": 9, "pagesize": "2MB"}]
    assert found["rdma"]["current"] == [{"device": "mlx", "hca_handles": 1, "hca_objects": 0xFFFFFFFF}]


def test_a_version_2_group(unified: pathlib.Path) -> None:
    group = cgroups.find({"": str(unified)})
    assert group.version == 2
    assert group.pids() == [12, 34]
    assert not group.is_frozen()
    group.apply({"pids": {"limit": 9}, "unified": {"memory.high": "1"}}, devices=False)
    assert (unified / "pids.max").read_text().startswith("9")
    assert group.open_join() == []
    assert group.statistics()["version"] == 2


def test_controllers_are_handed_down(tmp_path: pathlib.Path) -> None:
    (tmp_path / "outer").mkdir()
    for folder in (tmp_path, tmp_path / "outer"):
        (folder / "cgroup.controllers").write_text("cpu memory\n")
        (folder / "cgroup.subtree_control").write_text("")
    warnings: list[str] = []
    cgroups2.enable_controllers(str(tmp_path), str(tmp_path / "outer" / "inner"), warnings)
    assert (tmp_path / "outer" / "inner").is_dir()
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (tmp_path / "outer" / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert warnings == []


def test_missing_swap_accounting_is_no_error(unified: pathlib.Path) -> None:
    cgroups.find({"": str(unified)}).apply({"memory": {"limit": 1 << 20, "swap": 2 << 20}}, devices=False)
    assert (unified / "memory.max").read_text().startswith("1048576")


def test_swap_alone_is_beside_the_present_limit(unified: pathlib.Path) -> None:
    (unified / "memory.max").write_text("100\n")
    (unified / "memory.swap.max").write_text("max\n")
    cgroups.find({"": str(unified)}).apply({"memory": {"swap": 150}}, devices=False)
    assert (unified / "memory.swap.max").read_text().startswith("50")


def test_missing_controller_is_named(tmp_path: pathlib.Path) -> None:
    group = cgroups.find({"pids": str(tmp_path)})
    with pytest.raises(OSError, match="'cpu' is not mounted"):
        group.apply({"cpu": {"shares": 5}}, devices=False)


def test_unified_limits_on_version_1_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="version 2"):
        cgroups.find({"pids": str(tmp_path)}).apply({"unified": {"memory.max": "1"}}, devices=False)


def test_statistics_of_version_1(tmp_path: pathlib.Path) -> None:
    for name, text in {
        "pids.current": "3\n",
        "pids.max": "max\n",
        "cpuacct.usage": "1000\n",
        "cpuacct.usage_percpu": "400 600\n",
        "cpuacct.stat": "user 1\nsystem 2\n",
        "cpu.stat": "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n",
        "memory.stat": "cache 1\npgfault 2\nhierarchical_memsw_limit 9\n",
        "memory.usage_in_bytes": "10\n",
        "memory.limit_in_bytes": "20\n",
        "memory.max_usage_in_bytes": "15\n",
        "memory.failcnt": "1\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
        "blkio.throttle.io_service_bytes": "254:0 Read 5\n254:0 Total 5\nTotal 5\n",
    }.items():
        (tmp_path / name).write_text(text)
    found = cgroupstats1.read(dict.fromkeys(("pids", "cpu", "cpuacct", "memory", "blkio"), str(tmp_path)))
    assert found["pids"] == {"current": 3, "limit": 0}
    assert found["cpu"]["usage"]["per_cpu"] == [400, 600]
    assert found["cpu"]["usage"]["kernel"] == 2 * 10_000_000
    assert found["cpu"]["throttling"] == {"periods": 1, "throttled_periods": 2, "throttled_time": 3}
    assert found["memory"]["pg_fault"] == 2
    assert found["memory"]["hierarchical_swap_limit"] == 9
    assert found["memory"]["usage"] == {"usage": 10, "max": 15, "failcnt": 1, "limit": 20}
    assert found["memory_oom_control"]["oom_kill"] == 5
    (read, total) = found["blkio"]["io_service_bytes_recursive"]
    assert (read["op"], read["major"], read["minor"], read["value"]) == ("Read", 254, 0, 5)
    assert total["op"] == "Total"


def test_memory_and_swap_are_written_in_an_order_that_works(tmp_path: pathlib.Path) -> None:
    for name in ("limit", "memsw.limit"):
        (tmp_path / f"memory.{name}_in_bytes").write_text("100\n")
    written: list[str] = []
    original = cgroupfiles.write
    try:
        cgroupfiles.write = lambda path, value: written.append(f"{os.path.basename(path)} {value}")  # type: ignore[assignment]
        cgroups1.write_memory_limits(str(tmp_path), {"limit": 200, "swap": 300})
        cgroups1.write_memory_limits(str(tmp_path), {"limit": 50, "swap": 60})
    finally:
        cgroupfiles.write = original
    growing, shrinking = written[:2], written[2:]
    assert growing == ["memory.memsw.limit_in_bytes 300", "memory.limit_in_bytes 200"]
    assert shrinking == ["memory.limit_in_bytes 50", "memory.memsw.limit_in_bytes 60"]


@pytest.mark.root
def test_a_real_group_from_birth_to_end() -> None:
    group = cgroups.make(f"/boxship-unit/{os.getpid()}")
    try:
        process = subprocess.Popen(["sleep", "1000"])
        group.add(process.pid)
        assert group.pids() == [process.pid]
        group.freeze()
        assert group.is_frozen()
        group.thaw()
        assert not group.is_frozen()
        group.apply({"pids": {"limit": 5}})
        assert group.statistics()["pids"]["limit"] == 5
        group.signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    finally:
        group.delete()
    assert not group.exists()
    assert cgroups.make(f"/boxship-unit/{os.getpid()}").delete() is None


@pytest.mark.root
def test_a_path_never_climbs_out() -> None:
    group = cgroups.make(f"/boxship-unit/../../../boxship-unit-{os.getpid()}")
    try:
        for name, path in group.paths.items():
            mount = cgrouptree.tree().unified if name == "" else cgrouptree.tree().controllers[name]
            assert mount is not None
            assert path == f"{mount.path}/boxship-unit-{os.getpid()}"
    finally:
        group.delete()


def test_weights_have_the_name_of_the_scheduler_that_is_there(tmp_path: pathlib.Path) -> None:
    assert cgroups1.spelled(str(tmp_path), "blkio.weight") == "blkio.bfq.weight"
    assert cgroups1.spelled(str(tmp_path), "blkio.throttle.read_bps_device") == "blkio.throttle.read_bps_device"
    (tmp_path / "blkio.weight").touch()
    assert cgroups1.spelled(str(tmp_path), "blkio.weight") == "blkio.weight"


_DENY_ALL = {"allow": False, "access": "rwm"}
_NULL = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}
_NO_NULL = _NULL | {"allow": False}
_FUSE = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}


@pytest.mark.root
@pytest.mark.skipif(not os.path.isdir("/sys/fs/cgroup/devices"), reason="needs the devices controller of version 1")
@pytest.mark.parametrize(
    "given",
    [
        [],
        [_DENY_ALL],
        [_DENY_ALL, _NULL, _FUSE, _NULL],
        [_NULL, _NO_NULL, _NULL, _NO_NULL],
        [_FUSE, _DENY_ALL, _FUSE, _DENY_ALL],
        [{"allow": True, "access": "rwm"}, _NO_NULL, {"allow": True, "access": "rwm"}],
    ],
)
def test_what_is_not_said_twice_holds_as_well(given: list[dict[str, object]]) -> None:
    """Beside a group that is told every rule, one after the other."""
    rules = devicerules.from_spec(given)
    told = cgroups.make(f"/boxship-tests-{os.getpid()}-devices-told")
    ours = cgroups.make(f"/boxship-tests-{os.getpid()}-devices-ours")
    try:
        for rule in [devicerules.Rule(allow=False), *rules]:
            text = "a *:* rwm" if rule.is_deny_all else rule.text()
            name = "devices.allow" if rule.allow else "devices.deny"
            cgroupfiles.write(os.path.join(told.paths["devices"], name), text)
        cgroups1.write_devices(ours.paths["devices"], rules)
        lists = [cgroupfiles.read(os.path.join(each.paths["devices"], "devices.list")) for each in (told, ours)]
        assert sorted(lists[0].splitlines()) == sorted(lists[1].splitlines())
        assert "c 1:8 rwm" in lists[1] or "a *:* rwm" in lists[1]
    finally:
        told.delete()
        ours.delete()
