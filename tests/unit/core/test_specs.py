"""The default container, held against the list that the security paper promises."""

import json

import pytest

from boxship.core import mounts, seccomp, specs
from boxship.terms import errors


@pytest.fixture
def spec() -> specs.Spec:
    return specs.default("ns", "box")


def test_seven_walls(spec: specs.Spec) -> None:
    assert {entry["type"] for entry in spec["linux"]["namespaces"]} == {
        "pid",
        "ipc",
        "uts",
        "mount",
        "network",
        "cgroup",
    }
    assert spec["process"]["noNewPrivileges"] is True
    assert len(spec["linux"]["maskedPaths"]) == 11
    assert len(spec["linux"]["readonlyPaths"]) == 5


def test_fourteen_capabilities_in_three_sets(spec: specs.Spec) -> None:
    sets = spec["process"]["capabilities"]
    assert set(sets) == {"bounding", "effective", "permitted"}
    assert all(len(names) == 14 for names in sets.values())


def test_devices_are_denied_first(spec: specs.Spec) -> None:
    first, *others = spec["linux"]["resources"]["devices"]
    assert first == {"allow": False, "access": "rwm"}
    assert all(rule["allow"] and rule["type"] == "c" for rule in others)


def test_environment_replaces_and_unsets() -> None:
    assert specs.merge_env(["A=1", "B=2", "C=3"], ["B=x", "C", "D=y=z"]) == ["A=1", "B=x", "D=y=z"]
    with pytest.raises(errors.InvalidArgument):
        specs.merge_env([], ["=x"])


def test_capabilities_change(spec: specs.Spec) -> None:
    specs.change_capabilities(spec, add=["net_admin"], drop=["ALL"])
    assert spec["process"]["capabilities"]["bounding"] == ["CAP_NET_ADMIN"]
    with pytest.raises(errors.InvalidArgument, match="fly"):
        specs.change_capabilities(spec, add=["fly"])


def test_a_mount_replaces_what_was_there(spec: specs.Spec) -> None:
    specs.add_mounts(spec, [mounts.Mount(type="bind", source="/x", target="/run/", options=("rbind", "ro"))])
    found = [entry for entry in spec["mounts"] if entry["destination"] == "/run"]
    assert found == [{"destination": "/run", "type": "bind", "source": "/x", "options": ["rbind", "ro"]}]
    with pytest.raises(errors.InvalidArgument):
        specs.add_mounts(spec, [mounts.Mount(type="bind", source="/x", target="run")])


def test_limits(spec: specs.Spec) -> None:
    specs.limit(spec, memory=1 << 20, cpus=1.5, pids=7)
    resources = spec["linux"]["resources"]
    assert resources["memory"] == {"limit": 1 << 20}
    assert resources["cpu"] == {"quota": 150_000, "period": 100_000}
    assert resources["pids"] == {"limit": 7}


def test_nothing_to_run_is_an_error(spec: specs.Spec) -> None:
    with pytest.raises(errors.InvalidArgument, match="no command"):
        specs.set_process(spec, [])


def test_round_trip(spec: specs.Spec) -> None:
    assert specs.from_bytes(specs.to_bytes(spec)) == json.loads(json.dumps(spec))


def test_the_profile_keeps_the_walls() -> None:
    profile = seccomp.default_profile(specs.CAPABILITIES, "x86_64")
    allowed = {
        name
        for rule in profile["syscalls"]
        if "args" not in rule and rule["action"] == "SCMP_ACT_ALLOW"
        for name in rule["names"]
    }
    for name in (
        "mount",
        "setns",
        "unshare",
        "keyctl",
        "bpf",
        "userfaultfd",
        "perf_event_open",
        "io_uring_setup",
        "open_by_handle_at",
        "clone",
        "socket",
        "fsconfig",
    ):
        assert name not in allowed
    assert {"execve", "openat", "read", "chroot"} <= allowed


def test_what_a_capability_permits_is_not_filtered() -> None:
    profile = seccomp.default_profile([*specs.CAPABILITIES, "CAP_SYS_ADMIN"], "aarch64")
    assert any("mount" in rule["names"] for rule in profile["syscalls"])
