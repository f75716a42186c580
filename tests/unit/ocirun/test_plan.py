"""Plans are compared as text and values; nothing here touches the kernel."""

import copy
from typing import Any

import pytest

from boxship.linux import cgrouptree
from boxship.ocirun import cgroupmounts, devices, errors, layout, masks, options, plan, process, rootfs
from boxship.ocirun.commands import specifying

TREE = cgrouptree.Tree(
    mode=cgrouptree.Mode.UNIFIED,
    controllers={},
    unified=cgrouptree.Mount(path="/sys/fs/cgroup", root="/", controllers=()),
)


def _spec() -> dict[str, Any]:
    return copy.deepcopy(specifying.example())


def _build(spec: dict[str, Any], **changes: Any) -> plan.Plan:
    return plan.build(spec, **{"id": "c1", "bundle": "/b", "tree": TREE, **changes})


def test_the_example_in_its_order() -> None:
    lines = _build(_spec()).describe()
    order = [
        "make cgroup c1",
        "make namespaces pid, network, ipc, uts, mount, cgroup",
        "set propagation of / to rslave",
        "bind root /b/rootfs over itself",
        'mount "proc" to rootfs at "/proc"',
        'mount "tmpfs" to rootfs at "/dev" with mode=755,size=65536k',
        "make device /dev/null c 1:3 mode 666",
        "link /dev/ptmx to pts/ptmx",
        "open a pty and mount it at /dev/console",
        "mkdir /",
        "make /proc/bus read-only",
        "mask /proc/acpi",
        "remount / read-only",
        "pivot root to /b/rootfs",
        "set hostname boxship",
        "limit RLIMIT_NOFILE to 1024:1024",
        "set no_new_privs",
        "become user 0:0 with groups [], umask 0022",
        "execute ['sh']",
    ]
    assert [line for line in lines if line in order] == order


def test_the_same_specification_gives_the_same_plan() -> None:
    assert _build(_spec()) == _build(_spec())


def test_operations_have_their_kinds() -> None:
    made = _build(_spec())
    kinds = [type(operation) for operation in made.operations]
    assert kinds[:2] == [rootfs.SetPropagation, rootfs.EnterRoot]
    assert kinds.count(devices.MakeDevice) == 6
    assert cgroupmounts.CgroupMount in kinds
    assert rootfs.SysfsMount in kinds
    assert [type(operation) for operation in made.final[-1:]] == [rootfs.RemountReadonly]
    assert sum(isinstance(operation, masks.Mask) for operation in made.final) == 10


def test_joined_namespaces() -> None:
    spec = _spec()
    spec["linux"]["namespaces"] = [{"type": "mount"}, {"type": "network", "path": "/run/netns/x"}]
    spec.pop("hostname")
    made = _build(spec)
    assert made.new == ("mount",)
    assert made.joined == (("network", "/run/netns/x"),)
    assert "join network namespace /run/netns/x" in made.describe()


def test_devices_in_a_user_namespace_are_bound() -> None:
    spec = _spec()
    spec["linux"]["namespaces"].append({"type": "user"})
    spec["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 5}]
    made = _build(spec)
    assert made.uid_maps[0].line() == "0 1000 5"
    assert all(item.bound for item in made.operations if isinstance(item, devices.MakeDevice))


def test_the_machines_dev_is_left_alone() -> None:
    spec = _spec()
    spec["mounts"][1] = {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]}
    assert not any(isinstance(item, devices.MakeDevice | devices.Link) for item in _build(spec).operations)


def test_a_readonly_dev_becomes_so_at_the_end() -> None:
    spec = _spec()
    spec["mounts"][1]["options"].append("ro")
    made = _build(spec)
    assert any(isinstance(item, rootfs.NewMount) and item.readonly_later for item in made.operations)
    assert rootfs.RemountReadonly(path="/dev") in made.final


def test_destinations_are_cleaned() -> None:
    item = {"destination": "a/../../b//c", "type": "tmpfs"}
    made = layout.mount_operation(item, TREE, namespaced=True, linux={})
    assert isinstance(made, rootfs.NewMount)
    assert made.destination == "/b/c"


def _changed(path: str, value: Any) -> dict[str, Any]:
    spec = _spec()
    *folders, name = path.split(".")
    place: Any = spec
    for folder in folders:
        place = place[int(folder)] if isinstance(place, list) else place.setdefault(folder, {})
    place[name] = value
    return spec


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("process.args", [], "args must not be empty"),
        ("process.args", ["a\0b"], "NUL"),
        ("process.cwd", "rel", "Cwd must be an absolute path"),
        ("process.user", {"uid": -1}, "no user or group id"),
        ("process.user", {"uid": 0xFFFFFFFF}, "no user or group id"),
        ("process.rlimits", [{"type": "RLIMIT_X"}], "invalid rlimit type: RLIMIT_X"),
        ("process.ioPriority", {"class": "X"}, "ioPriority"),
        ("process.scheduler", {"policy": "X"}, "scheduler"),
        ("root.path", "", "root.path"),
        ("linux.namespaces", [{"type": "pid"}], "mount namespace"),
        ("linux.namespaces", [{"type": "x"}], "does not exist"),
        ("linux.namespaces", [{"type": "mount"}, {"type": "mount"}], "duplicated"),
        ("linux.namespaces", [{"type": "mount"}, {"type": "pid", "path": "x"}], "absolute"),
        ("linux.rootfsPropagation", "sideways", "rootfsPropagation=sideways"),
        ("linux.personality", {"domain": "WINDOWS"}, "personality"),
        ("linux.sysctl", {"kernel.core_pattern": "x"}, "not in a separate kernel namespace"),
        ("linux.sysctl", {"net.core.somaxconn": "1\nkernel.x = 2"}, "line break"),
        ("linux.sysctl", {"kernel.hostname": "x"}, "conflicts with the OCI hostname"),
        ("linux.netDevices", {"eth0": {}}, "netDevices is not supported"),
        ("linux.maskedPaths", ["relative"], "must be absolute"),
        ("linux.devices", [{"path": "/dev/x", "type": "z"}], "no device"),
        ("linux.uidMappings", [{"containerID": -1, "hostID": 0, "size": 1}], "no mapping"),
        ("linux.uidMappings", [{"containerID": 1, "hostID": 0, "size": 9}], "but no user mapping found"),
        ("linux.gidMappings", [{"containerID": 0, "hostID": 0, "size": 0}], "but no group mapping found"),
        ("linux.timeOffsets", {"realtime": {"secs": 1}}, "realtime"),
        ("mounts", [{"destination": "/proc/self", "type": "tmpfs"}], "inside /proc"),
        ("mounts", [{"destination": "/proc", "type": "tmpfs"}], "not of type proc"),
        ("mounts", [{"destination": "/x", "type": "bind", "source": "rel"}], "must be absolute"),
        ("mounts", [{"destination": "", "type": "tmpfs"}], "no usable destination"),
        ("mounts", [{"destination": "/x", "options": ["ro"]}], "neither a type nor"),
        ("mounts", [{"destination": "/x", "type": "tmpfs", "options": ["idmap"]}], "only bind mounts"),
        ("mounts", [{"destination": "/x", "type": "bind", "source": "/", "options": ["idmap"]}], "needs uidMappings"),
    ],
)
def test_what_cannot_be_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(errors.SpecFault, match=message):
        _build(_changed(path, value))


def test_hostname_needs_a_namespace() -> None:
    spec = _spec()
    spec["linux"]["namespaces"] = [{"type": "mount"}]
    with pytest.raises(errors.SpecFault, match="unable to set hostname without a private UTS namespace"):
        _build(spec)


def test_unknown_capabilities_are_told_of() -> None:
    said: list[str] = []
    spec = _changed("process.capabilities", {"bounding": ["CAP_CHOWN", "CAP_TELEPORT"]})
    made = _build(spec, warn=said.append)
    assert said == ["ignoring unknown or unavailable capabilities: [CAP_TELEPORT]"]
    assert made.process.capabilities == process.Capabilities(
        bounding=1, effective=0, permitted=0, inheritable=0, ambient=0
    )


def test_environment_keeps_the_last_of_a_name() -> None:
    assert process.environment(["A=1", "B", "=x", "A=2", "C="]) == {"A": "2", "C": ""}


def test_mount_options_are_sorted() -> None:
    found = options.parse(["rbind", "ro", "rw", "suid", "rprivate", "rro", "tmpcopyup", "size=1k", "ridmap"])
    assert found.is_bind
    assert found.is_recursive
    assert not found.is_readonly
    assert found.cleared & 2
    assert len(found.propagation) == 1
    assert found.recursive_set == 1
    assert found.copy_up
    assert found.idmap_recursive
    assert found.data == "size=1k"


def test_the_last_of_recursive_options_wins() -> None:
    found = options.parse(["rro", "rrw"])
    assert (found.recursive_set, found.recursive_clear) == (0, 1)
