"""What a container sees of files: mounts with their options, devices, masks, user namespaces."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from integration.ocirun.conftest import Bundle, execute

from boxship.linux import mounts, processes
from boxship.ocirun import errors, start

pytestmark = pytest.mark.root


def _mount(destination: str, source: pathlib.Path, *options: str) -> dict[str, object]:
    return {"destination": destination, "type": "bind", "source": str(source), "options": ["rbind", *options]}


@pytest.fixture
def shared(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "file").write_text("content\n")
    return folder


def test_folder_and_file_are_bound(bundle: Bundle, shared: pathlib.Path) -> None:
    bundle.spec["mounts"] += [_mount("/new/place", shared), _mount("/one/file", shared / "file")]
    assert bundle.run("cat", "/new/place/file", "/one/file") == (0, "content\ncontent\n")


def test_readonly_bind(bundle: Bundle, shared: pathlib.Path) -> None:
    bundle.spec["mounts"].append(_mount("/data", shared, "ro"))
    assert "Read-only file system" in bundle.run("touch", "/data/x")[1]


def test_recursively_readonly(bundle: Bundle, shared: pathlib.Path) -> None:
    inner = shared / "inner"
    inner.mkdir()
    mounts.mount("tmpfs", str(inner), "tmpfs")
    try:
        bundle.spec["mounts"].append(_mount("/ro", shared, "ro"))
        bundle.spec["mounts"].append(_mount("/rro", shared, "rro"))
        assert bundle.run("touch", "/ro/inner/x") == (0, "")
        assert "Read-only file system" in bundle.run("touch", "/rro/inner/x")[1]
    finally:
        mounts.umount(str(inner))


def test_mounts_made_inside_stay_inside(bundle: Bundle, shared: pathlib.Path) -> None:
    bundle.spec["mounts"].append(_mount("/data", shared))
    for name in ("bounding", "effective", "permitted"):
        bundle.process["capabilities"][name].append("CAP_SYS_ADMIN")
    with bundle.created("sh", "-c", "mkdir -p /data/m && mount -t tmpfs x /data/m && sleep 1000") as box:
        start.start(box)
        assert execute(box, "true")[0] == 0
        assert not any(str(shared) in info.target for info in mounts.mountinfo())


def test_mounts_made_inside_come_out_where_both_ways_are_asked_for(bundle: Bundle, shared: pathlib.Path) -> None:
    mounts.mount("tmpfs", str(shared), "tmpfs")
    mounts.mount(None, str(shared), None, mounts.MS_SHARED)
    try:
        (shared / "m").mkdir()
        bundle.linux["rootfsPropagation"] = "rshared"
        bundle.spec["mounts"].append(_mount("/data", shared, "rshared"))
        for name in ("bounding", "effective", "permitted"):
            bundle.process["capabilities"][name].append("CAP_SYS_ADMIN")
        assert bundle.run("mount", "-t", "tmpfs", "x", "/data/m")[0] == 0
        assert mounts.is_mounted(str(shared / "m"))
    finally:
        mounts.umount_all(str(shared / "m"))
        mounts.umount(str(shared))


def test_copy_up(bundle: Bundle) -> None:
    folder = bundle.rootfs / "data" / "sub"
    folder.mkdir(parents=True)
    (folder / "file").write_text("old\n")
    (folder / "file").chmod(0o640)
    (folder / "link").symlink_to("file")
    bundle.spec["mounts"].append(
        {"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=1m"]}
    )
    status, text = bundle.sh("cat /data/sub/link; stat -c %a /data/sub/file; echo new > /data/sub/file")
    assert (status, text) == (0, "old\n640\n")
    assert (folder / "file").read_text() == "old\n"


def test_default_devices_and_links(bundle: Bundle) -> None:
    status, text = bundle.sh("stat -c '%n %F %t:%T %a' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty")
    assert status == 0
    assert text.splitlines() == [
        f"/dev/{name} character special file {numbers} 666"
        for name, numbers in (
            ("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"), ("urandom", "1:9"), ("tty", "5:0"),
        )
    ]  # fmt: skip
    links = bundle.sh("readlink /dev/fd; readlink /dev/stdin; readlink /dev/ptmx")[1]
    assert links.split() == ["/proc/self/fd", "/proc/self/fd/0", "pts/ptmx"]


def test_own_device(bundle: Bundle) -> None:
    bundle.linux["devices"] = [
        {"path": "/dev/sub/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 5, "gid": 6}
    ]
    assert bundle.run("stat", "-c", "%t:%T %a %u:%g", "/dev/sub/mine")[1] == "1:3 640 5:6\n"


def test_devices_of_the_machine_stay_closed(bundle: Bundle) -> None:
    """No rule for it means no (GHSA-g54h): the node can be made, not opened."""
    for name in ("bounding", "effective", "permitted"):
        bundle.process["capabilities"][name].append("CAP_MKNOD")
    bundle.linux["resources"]["devices"] = []
    text = bundle.sh("mknod /disk b 254 0 && head -c 1 /disk")[1]
    assert "Operation not permitted" in text


def test_masked_and_readonly_paths(bundle: Bundle) -> None:
    secret = bundle.rootfs / "secret"
    (secret / "inner").mkdir(parents=True)
    (bundle.rootfs / "word").write_text("secret")
    bundle.linux["maskedPaths"] += ["/secret", "/secret/inner", "/word", "/not/there"]
    bundle.linux["readonlyPaths"] += ["/fixed", "/not/there"]
    (bundle.rootfs / "fixed").mkdir()
    status, text = bundle.sh("ls /secret; cat /word; touch /fixed/x; touch /secret/x")
    assert status == 1
    assert text.count("Read-only file system") == 2
    assert "secret\n" not in text


def test_masked_folders_share_one_file_system(bundle: Bundle) -> None:
    for name in ("one", "two", "three"):
        (bundle.rootfs / name).mkdir()
    bundle.linux["maskedPaths"] = ["/one", "/two", "/three"]
    text = bundle.run("stat", "-c", "%d", "/one", "/two", "/three")[1]
    assert len(set(text.split())) == 1


def test_readonly_root(bundle: Bundle) -> None:
    bundle.spec["root"]["readonly"] = True
    assert "Read-only file system" in bundle.run("touch", "/x")[1]


def test_missing_working_folder_is_made(bundle: Bundle) -> None:
    bundle.process["cwd"] = "/some/where"
    assert bundle.run("pwd") == (0, "/some/where\n")


def test_without_pivot(bundle: Bundle) -> None:
    status, text = bundle.sh("cat /proc/self/mountinfo | wc -l; ls /; ls /proc/1/root/", no_pivot=True)
    assert status == 0
    assert "work" not in text


def test_domain_and_host_name(bundle: Bundle) -> None:
    bundle.spec["hostname"] = "inside"
    bundle.spec["domainname"] = "example.test"
    text = bundle.sh("hostname; cat /proc/sys/kernel/domainname")[1]
    assert text == "inside\nexample.test\n"


def test_sysctl_of_a_namespace(bundle: Bundle) -> None:
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"}
    text = bundle.run("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shm_rmid_forced")[1]
    assert text == "1\n1\n"


def test_limits(bundle: Bundle) -> None:
    bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    assert bundle.sh("ulimit -Sn; ulimit -Hn")[1] == "100\n200\n"


def test_umask(bundle: Bundle) -> None:
    assert bundle.sh("umask")[1] == "0022\n"
    bundle.process["user"]["umask"] = 0o77
    assert bundle.sh("umask")[1] == "0077\n"


def test_home_of_the_users_own(bundle: Bundle) -> None:
    (bundle.rootfs / "etc").mkdir()
    (bundle.rootfs / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n")
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert bundle.sh("echo $HOME")[1] == "/home/me\n"
    bundle.process["env"].append("HOME=/given")
    assert bundle.sh("echo $HOME")[1] == "/given\n"


def test_loopback_is_up(bundle: Bundle) -> None:
    assert "lo:" in bundle.run("cat", "/proc/net/dev")[1]
    assert bundle.run("cat", "/sys/class/net/lo/operstate")[1] != "down\n"


_LINKS = "for kind in net ipc uts pid; do readlink /proc/self/ns/$kind; done"


def test_joins_namespaces_by_path(bundle: Bundle, another: object) -> None:
    first = bundle
    second = another()  # type: ignore[operator]
    with first.created("sleep", "1000") as box:
        start.start(box)
        names = {"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}
        second.linux["namespaces"] = [
            {"type": kind, "path": f"/proc/{box.pid}/ns/{name}"} for kind, name in names.items()
        ] + [{"type": "mount"}, {"type": "cgroup"}]
        second.spec.pop("hostname")
        status, text = second.sh(
            "readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/uts /proc/self/ns/pid; hostname"
        )
        theirs = execute(box, "readlink", *(f"/proc/self/ns/{name}" for name in names.values()))[1]
    assert status == 0
    assert text == theirs + "boxship\n"
    assert os.readlink("/proc/self/ns/pid") == os.readlink("/proc/self/ns/pid_for_children")


_MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def _own(bundle: Bundle) -> None:
    """The root belongs to the container's root, as whoever prepares it for a user namespace sees to."""
    for path in (bundle.rootfs, *bundle.rootfs.rglob("*")):
        os.chown(path, 100000, 100000, follow_symlinks=False)
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = _MAP


def test_user_namespace(bundle: Bundle, shared: pathlib.Path) -> None:
    bundle.linux["namespaces"].append({"type": "user"})
    _own(bundle)
    shared.chmod(0o700)
    bundle.spec["mounts"].append(_mount("/data", shared))
    with bundle.created("sh", "-c", "sleep 1000") as box:
        start.start(box)
        assert os.stat(f"/proc/{box.pid}").st_uid == 100000
        assert pathlib.Path(f"/proc/{box.pid}/uid_map").read_text().split() == ["0", "100000", "65536"]
        status, text = execute(box, "sh", "-c", "id -u; ls /data; stat -c %t:%T /dev/null; cat /proc/self/uid_map")
    assert text.splitlines()[0] == "0"
    assert "Permission denied" in text
    assert "1:3" in text
    assert status == 0


def test_user_namespace_with_joined_network(bundle: Bundle, another: object) -> None:
    second = another()  # type: ignore[operator]
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        second.linux["namespaces"] = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup", "user")]
        second.linux["namespaces"].append({"type": "network", "path": f"/proc/{box.pid}/ns/net"})
        _own(second)
        status, text = second.sh("readlink /proc/self/ns/net; id -u; cat /proc/self/cgroup | head -1")
        assert text.splitlines()[0] == os.readlink(f"/proc/{box.pid}/ns/net")
    assert status == 0


def test_joins_a_user_namespace(bundle: Bundle, another: object) -> None:
    bundle.linux["namespaces"].append({"type": "user"})
    _own(bundle)
    second = another()  # type: ignore[operator]
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        second.linux["namespaces"] = [{"type": kind} for kind in ("pid", "mount", "cgroup", "ipc")]
        second.linux["namespaces"] += [
            {"type": kind, "path": f"/proc/{box.pid}/ns/{name}"}
            for kind, name in (("user", "user"), ("network", "net"), ("uts", "uts"))
        ]
        second.spec.pop("hostname")
        _own(second)
        second.linux["uidMappings"] = second.linux["gidMappings"] = []
        status, text = second.sh("readlink /proc/self/ns/user; readlink /proc/self/ns/net; id -u")
        assert text.splitlines() == [os.readlink(f"/proc/{box.pid}/ns/{name}") for name in ("user", "net")] + ["0"]
    assert status == 0


def test_mapped_ids(bundle: Bundle, shared: pathlib.Path) -> None:
    mount = _mount("/data", shared)
    mount["uidMappings"] = mount["gidMappings"] = [{"containerID": 0, "hostID": 5000, "size": 10}]
    bundle.spec["mounts"].append(mount)
    assert bundle.run("stat", "-c", "%u:%g", "/data/file")[1] == "5000:5000\n"


def test_time_namespace(bundle: Bundle) -> None:
    bundle.linux["namespaces"].append({"type": "time"})
    bundle.linux["timeOffsets"] = {"boottime": {"secs": 1_000_000}}
    bundle.process["args"] = ["sh", "-c", "cat /proc/uptime"]
    (bundle.folder / "config.json").write_text(json.dumps(bundle.spec))
    # A process with threads, as this one may be after other tests, cannot come back from a time namespace (setns(2)).
    command = [sys.executable, "-m", "boxship.ocirun.main", "--root", str(bundle.folder / "state"), "run", "timed"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=bundle.folder)
    assert float(done.stdout.split()[0]) > 1_000_000


def test_cgroup_namespace_shows_the_container_as_root(bundle: Bundle) -> None:
    text = bundle.run("cat", "/proc/self/cgroup")[1]
    assert {line.rpartition(":")[2] for line in text.splitlines()} == {"/"}


def test_shared_propagation_of_the_root(bundle: Bundle) -> None:
    bundle.linux["rootfsPropagation"] = "shared"
    text = bundle.run("cat", "/proc/self/mountinfo")[1]
    assert "shared:" in text.splitlines()[0]


@pytest.mark.parametrize("destination", ["/proc/self", "/proc/sys", "/proc/1/attr"])
def test_nothing_is_mounted_inside_proc(bundle: Bundle, shared: pathlib.Path, destination: str) -> None:
    bundle.spec["mounts"].append(_mount(destination, shared))
    with pytest.raises(errors.Fault, match="inside /proc"):
        bundle.run("true")


def test_only_a_proc_is_mounted_on_proc(bundle: Bundle, shared: pathlib.Path) -> None:
    bundle.spec["mounts"].append(_mount("/proc", shared))
    with pytest.raises(errors.Fault, match="not of type proc"):
        bundle.run("true")


def test_a_tmpfs_takes_the_mode_of_the_folder_below_if_there_is_one(bundle: Bundle) -> None:
    for name in ("/tmp", "/made/now"):
        bundle.spec["mounts"].append({"destination": name, "type": "tmpfs", "source": "tmpfs"})
    (bundle.folder / "rootfs" / "tmp").mkdir(exist_ok=True)
    (bundle.folder / "rootfs" / "tmp").chmod(0o750)
    assert bundle.run("stat", "-c", "%a", "/tmp", "/made/now")[1].split() == ["750", "1777"]


def test_oom_score_that_may_not_be_lowered_is_a_warning(bundle: Bundle) -> None:
    bundle.process["oomScoreAdj"] = 500
    assert bundle.run("cat", "/proc/self/oom_score_adj")[1] == "500\n"
    bundle.process["oomScoreAdj"] = -999
    status, text = bundle.run("cat", "/proc/self/oom_score_adj")
    assert status == 0
    assert text == "-999\n" or any("CAP_SYS_RESOURCE" in warning for warning in bundle.warnings)


def test_exit_of_the_maker_ends_what_was_not_started(bundle: Bundle) -> None:
    with bundle.created("true") as box:
        assert box.letters is not None
        box.letters.close()
        box.letters = None
        assert processes.exit_status(box.pidfd) == 1
