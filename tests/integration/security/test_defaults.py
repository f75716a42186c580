"""What a container gets that asks for nothing, seen from inside: its first process and one that is executed later."""

import ctypes
import os

import pytest
from integration.security import probing

from boxship.core import specs

pytestmark = [pytest.mark.root, pytest.mark.slow]

CAPABILITIES = "00000000a80425fb"
"""CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL
AUDIT_WRITE by their numbers (capabilities(7))."""
STATUS = {
    "Uid": "0 0 0 0",
    "Gid": "0 0 0 0",
    "CapInh": "0000000000000000",
    "CapPrm": CAPABILITIES,
    "CapEff": CAPABILITIES,
    "CapBnd": CAPABILITIES,
    "CapAmb": "0000000000000000",
    "NoNewPrivs": "1",
    "Seccomp": "2",
}
MOUNTS = {  # type, what the mount must say, what the file system must say
    "/proc": ("proc", {"rw", "nosuid", "nodev", "noexec"}, set()),
    "/dev": ("tmpfs", {"rw", "nosuid"}, {"size=65536k", "mode=755"}),
    "/dev/pts": ("devpts", {"rw", "nosuid", "noexec"}, {"gid=5", "mode=620", "ptmxmode=666"}),
    "/dev/shm": ("tmpfs", {"rw", "nosuid", "nodev", "noexec"}, {"size=65536k"}),
    "/dev/mqueue": ("mqueue", {"rw", "nosuid", "nodev", "noexec"}, set()),
    "/sys": ("sysfs", {"ro", "nosuid", "nodev", "noexec"}, set()),
    "/run": ("tmpfs", {"rw", "nosuid"}, {"size=65536k", "mode=755"}),
}
DEVICES = {
    "null": "c 1:3 666",
    "zero": "c 1:5 666",
    "full": "c 1:7 666",
    "random": "c 1:8 666",
    "urandom": "c 1:9 666",
    "tty": "c 5:0 666",
    "ptmx": "-> pts/ptmx",
    "fd": "-> /proc/self/fd",
    "stdin": "-> /proc/self/fd/0",
    "stdout": "-> /proc/self/fd/1",
    "stderr": "-> /proc/self/fd/2",
    "core": "-> /proc/kcore",
    "pts": "folder",
    "shm": "folder",
    "mqueue": "folder",
}


def deviations(found):
    """What is not as it should be, by its kind."""
    kinds = {
        "status": {name: found["status"][name] for name in STATUS if found["status"][name] != STATUS[name]},
        "groups": found["status"]["Groups"] not in {"", "0"} and found["status"]["Groups"],
        "open files": found["open files"] != [1024, 1024] and found["open files"],
        "descriptors": found["descriptors"] != [0, 1, 2] and found["descriptors"],
        "mounts": [target for target in MOUNTS if not _mounted_as_wanted(found["mounts"].get(target), *MOUNTS[target])],
        "masked": {path: how for path, how in found["masked"].items() if how not in {"absent", "empty"}},
        "read-only": found["writable"],
        "sysctl": found["sysctl"] != "EROFS" and found["sysctl"],
        "devices": {name: how for name, how in found["devices"].items() if how != DEVICES.get(name)},
        "missing devices": sorted(DEVICES.keys() - {"core"} - found["devices"].keys()),
        "disk": found["disk"] != "EPERM" and found["disk"],
        "calls": {
            name: how for name, how in found["calls"].items() if how != ("ENOSYS" if name == "clone3" else "EPERM")
        },
        "namespaces": [name for name, link in found["namespaces"].items() if link == _ours(name)],
        "variables": found["variables"],
    }
    return {kind: wrong for kind, wrong in kinds.items() if wrong}


def _mounted_as_wanted(found, kind, options, inner):
    return (
        found is not None
        and found["type"] == kind
        and set(found["options"]) >= options
        and set(found["inner"]) >= inner
    )


def _ours(name):
    return os.readlink(f"/proc/self/ns/{name}")


def probe(client, image, command=probing.COMMAND, **options):
    """From the first process, and from one that is executed beside it."""
    first = client.containers.run(image, command, mounts=probing.mounts(), **options).check()
    made = client.containers.create(image, ["sleep", "1000"], mounts=probing.mounts(), **options)
    try:
        made.start()
        second = made.exec(command).check()
    finally:
        made.remove(force=True)
    return probing.read(first.output), probing.read(second.output)


def test_the_list(client, image):
    first, second = probe(client, image)
    assert deviations(first) == {}
    assert deviations(second) == {}
    first["namespaces"] = second["namespaces"] = None
    differ = [kind for kind in first if first[kind] != second[kind] and kind != "mounts"]
    assert differ == []
    assert first["mounts"].keys() == second["mounts"].keys()


def test_the_list_can_fail(client, image):
    """A container that may do everything deviates in all respects but those that privilege does not touch."""
    found = deviations(probe(client, image, privileged=True, network="host", env=["NAME=value"])[0])
    wanted = {
        "status",
        "masked",
        "read-only",
        "sysctl",
        "mounts",
        "devices",
        "disk",
        "calls",
        "namespaces",
        "variables",
    }
    assert wanted <= found.keys()
    assert len(found["calls"]) > 40


def test_the_keyring_is_its_own(client, image):
    mine = ctypes.CDLL(None).syscall(250, 0, -3, 0)
    found = probe(client, image, [*probing.COMMAND, "keyring"], security_opt=["seccomp=unconfined"])
    assert len({mine, *(each["keyring"] for each in found)}) == 3


def test_what_masks_a_file_is_not_the_machines(client, image):
    """Root inside owns the null device that covers a file: its mode, owner and times must not be the machine's."""
    before = os.stat("/dev/null")
    try:
        found = client.containers.run(
            image,
            ["sh", "-c", "for f in /proc/keys /proc/timer_list; do busybox chmod 777 $f; busybox chown 7:7 $f; done"],
        )
        after = os.stat("/dev/null")
    finally:
        os.chmod("/dev/null", before.st_mode)
        os.chown("/dev/null", before.st_uid, before.st_gid)
    assert b"Read-only file system" in found.errors
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_user_of_the_image(client, image):
    """Groups include the user's own, and nothing is left of root's capabilities."""
    for found in probe(client, image, user="app"):
        assert {
            name: found["status"][name] for name in ("Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapInh", "CapAmb")
        } == {
            "Uid": "1000 1000 1000 1000",
            "Gid": "1001 1001 1001 1001",
            "Groups": "1001 2000",
            **dict.fromkeys(("CapEff", "CapPrm", "CapInh", "CapAmb"), "0000000000000000"),
        }


def test_the_specification_says_the_same():
    """What is found inside comes from here; the numbers above do not."""
    made = specs.default("n", "i")
    assert len(made["process"]["capabilities"]["bounding"]) == CAPABILITIES_COUNT
    assert not made["process"]["capabilities"].get("inheritable")
    assert made["linux"]["resources"]["devices"][0] == {"allow": False, "access": "rwm"}


CAPABILITIES_COUNT = int(CAPABILITIES, 16).bit_count()


def by_ctr(engine, *options):
    """The probe as ctr runs and executes it."""
    name = f"probe-{engine.namespace}"
    first = engine.ctr(
        "run", "--rm", *options, *probing.words(), "docker.io/library/box:latest", name, *probing.COMMAND
    )
    assert first.returncode == 0, first.stderr
    words = ("run", "-d", *options, *probing.words(), "docker.io/library/box:latest", name, "sleep", "1000")
    assert engine.ctr(*words).returncode == 0
    second = engine.ctr("task", "exec", "--exec-id", "e", name, *probing.COMMAND)
    assert second.returncode == 0, second.stderr
    assert engine.ctr("task", "rm", "-f", name).returncode == 0
    assert engine.ctr("container", "rm", name).returncode == 0
    return [_masked(probing.read(each.stdout)) for each in (first, second)]


def _masked(found):
    """Without what differs from run to run (numbers of namespaces, folders of layers), and without the flags of what
    masks: ours is read-only and a folder can hold nothing, that of an old runc can be written."""
    found["namespaces"] = None
    found["mounts"] = {target: _without_places(told) for target, told in found["mounts"].items()}
    for target in found["masked"].keys() & found["mounts"].keys():
        found["mounts"][target] = found["mounts"][target]["type"]
    return found


def _without_places(told):
    inner = [word for word in told["inner"] if not word.startswith(("lowerdir", "upperdir", "workdir"))]
    return {**told, "inner": inner}


@pytest.mark.peer
@pytest.mark.parametrize(
    "options", [(), ("--seccomp",), ("--privileged",)], ids=lambda words: " ".join(words) or "nothing"
)
def test_ctr_gets_what_it_gets_from_containerd(engine, image, containerd, options):
    for ours, theirs in zip(by_ctr(engine, *options), by_ctr(containerd, *options), strict=True):
        differ = {kind: _difference(ours[kind], theirs[kind]) for kind in ours if ours[kind] != theirs[kind]}
        assert differ == {}


def _difference(ours, theirs):
    if not isinstance(ours, dict):
        return ours, theirs
    return {
        name: (ours.get(name), theirs.get(name)) for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)
    }
