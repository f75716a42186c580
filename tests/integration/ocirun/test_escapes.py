"""Images and specifications that attack whoever runs them. Each aims at a harmless canary in a folder of the test.

The rows follow the catalogue of advisories: what a runtime got wrong once must fail or stay contained here.
"""

import ctypes
import hashlib
import json
import os
import pathlib
import signal
import socket
import sys

import pytest
from integration.ocirun.conftest import Bundle, Output, execute, mounted_below

from boxship.linux import calls, processes, seccomp, sockets
from boxship.ocirun import container, errors, start
from boxship.ocirun import exec as executing

pytestmark = pytest.mark.root


@pytest.fixture
def canary(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of the machine with things in it that a runtime might touch."""
    folder = tmp_path / "canary"
    (folder / "sub").mkdir(parents=True)
    for name in ("ptmx", "null", "file", "sub/file"):
        (folder / name).write_text("canary")
    return folder


def _record(folder: pathlib.Path) -> dict[str, tuple[int, ...]]:
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        found[str(path)] = (status.st_ino, status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns)
    return found


def _attempt(bundle: Bundle, *args: str) -> tuple[int, str]:
    """Run; a refusal is as good as containment."""
    try:
        return bundle.run(*args)
    except errors.Fault as fault:
        return -1, str(fault)


LINKED = (
    "dev", "dev/pts", "dev/shm", "dev/mqueue", "dev/null", "dev/ptmx", "dev/console", "proc", "sys", "sys/fs/cgroup", "work",
    "data", "data/deep/er",
)  # fmt: skip
WAYS = ("absolute", "dots", "loop", "file", "fifo", "magic")


@pytest.mark.parametrize("place", LINKED)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_outside_the_root_is_touched(
    bundle: Bundle, canary: pathlib.Path, place: str, way: str, tmp_path: pathlib.Path
) -> None:
    """CVE-2026-41579, CVE-2019-19921, CVE-2023-27561, CVE-2024-45310 and their kin: links where something is mounted."""
    path = bundle.rootfs / place
    path.parent.mkdir(parents=True, exist_ok=True)
    match way:
        case "absolute":
            path.symlink_to(canary)
        case "dots":
            path.symlink_to("../" * 40 + str(canary).lstrip("/"))
        case "loop":
            path.symlink_to(path.name)
        case "file":
            path.write_text("")
        case "fifo":
            os.mkfifo(path)
        case "magic":
            path.symlink_to("/proc/self/fd/3")
    source = tmp_path / "source"
    source.mkdir()
    bundle.spec["mounts"].append(
        {"destination": "/data/deep/er/still", "type": "bind", "source": str(source), "options": ["bind"]}
    )
    bundle.process["cwd"] = "/work"
    bundle.linux["maskedPaths"] += ["/data/null", "/work/sub", "/dev/null"]
    bundle.linux["readonlyPaths"] += ["/data/file", "/work"]
    if place.startswith("dev/"):
        bundle.spec["mounts"] = [item for item in bundle.spec["mounts"] if item["destination"] != "/dev"]
    before = _record(canary)
    status, text = _attempt(bundle, "true")
    assert _record(canary) == before, text
    assert mounted_below(tmp_path) == []
    if place in {"proc", "sys"} and way in {"absolute", "dots", "loop", "magic"}:
        assert status == -1
        assert "must be mounted on ordinary directory" in text


@pytest.mark.parametrize("with_dev", [True, False])
def test_masked_files_are_the_true_null_device(bundle: Bundle, canary: pathlib.Path, with_dev: bool) -> None:
    """CVE-2025-31133: a masked file was covered by the container's /dev/null, which may be a link to anywhere."""
    (bundle.rootfs / "dev").mkdir()
    (bundle.rootfs / "dev" / "null").symlink_to(canary / "file")
    (bundle.rootfs / "secret").write_text("secret")
    bundle.linux["maskedPaths"] = ["/secret"]
    if not with_dev:
        bundle.spec["mounts"] = [item for item in bundle.spec["mounts"] if not item["destination"].startswith("/dev")]
    status, text = _attempt(bundle, "stat", "-c", "%t:%T", "/secret")
    assert status == -1 or text == "1:3\n"
    assert (canary / "file").read_text() == "canary"


@pytest.mark.parametrize("number", range(3, 21))
def test_working_folder_through_a_descriptor_is_refused(bundle: Bundle, number: int) -> None:
    """CVE-2024-21626."""
    holder = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for pid in ("self", "1", "thread-self"):
            bundle.process["cwd"] = f"/proc/{pid}/fd/{number}"
            with pytest.raises(errors.Fault):
                bundle.run("pwd")
        (bundle.rootfs / "link").unlink(missing_ok=True)
        (bundle.rootfs / "link").symlink_to(f"/proc/self/fd/{number}")
        bundle.process["cwd"] = "/link"
        with pytest.raises(errors.Fault):
            bundle.run("pwd")
    finally:
        os.close(holder)


def test_exec_working_folder_through_a_descriptor_is_refused(running: container.Container) -> None:
    for number in range(3, 21):
        with pytest.raises(errors.Fault):
            execute(running, "pwd", cwd=f"/proc/self/fd/{number}")


def test_only_the_standard_streams_come_in(bundle: Bundle) -> None:
    held = [os.dup(0) for _ in range(10)]
    for descriptor in held:
        os.set_inheritable(descriptor, True)
    try:
        # ls itself opens the folder
        assert bundle.run("ls", "/proc/self/fd")[1].split() == ["0", "1", "2", "3"]
        with bundle.created("sleep", "1000") as box:
            assert sorted(os.listdir(f"/proc/{box.pid}/fd"), key=int)[:3] == ["0", "1", "2"]
            start.start(box)
            assert os.listdir(f"/proc/{box.pid}/fd") == ["0", "1", "2"]
            assert execute(box, "ls", "/proc/self/fd")[1].split() == ["0", "1", "2", "3"]
    finally:
        for descriptor in held:
            os.close(descriptor)


def test_waiting_init_holds_nothing_of_the_machine(bundle: Bundle) -> None:
    """A created container, before its start: no folder, no file of the machine is open in it but its streams."""
    nothing = os.open("/dev/null", os.O_RDWR)
    try:
        with bundle.created("true", stdio=(nothing, nothing, nothing)) as box:
            targets = {os.readlink(f"/proc/{box.pid}/fd/{number}") for number in os.listdir(f"/proc/{box.pid}/fd")}
    finally:
        os.close(nothing)
    assert {target.partition(":")[0] for target in targets} <= {"/dev/null", "socket", "/"}


def test_exec_cannot_be_traced_on_its_way_in(running: container.Container) -> None:
    """CVE-2016-9962: whoever lives in the container sees no descriptor and no memory of the one who enters."""
    script = """
    i=0; while [ $i -lt 300 ]; do i=$((i+1));
      for p in /proc/[0-9]*; do
        case $p in /proc/1|/proc/$$) continue;; esac
        readlink $p/cwd $p/exe >/dev/null 2>&1
        for f in $p/fd/*; do readlink $f 2>/dev/null; done
      done
    done
    """
    with Output() as output:
        wanted = dict(running.spec["process"], args=["sh", "-c", script])
        watcher = executing.execute(running, wanted, stdio=(output.nothing, output.writing, output.writing))
        for _ in range(60):
            nothing = dict(running.spec["process"], args=["true"])
            born = executing.execute(running, nothing, stdio=(output.nothing,) * 3)
            processes.exit_status(born.pidfd)
            os.close(born.pidfd)
        processes.send_signal(watcher.pidfd, signal.SIGKILL)
        processes.exit_status(watcher.pidfd)
        os.close(watcher.pidfd)
        seen = {line for line in output.text().splitlines() if line}
    assert all(line.startswith(("/dev/null", "/memfd:output", "/proc/")) for line in seen), seen


@pytest.mark.parametrize("uid", [0, 1000])
def test_no_capability_is_inherited(bundle: Bundle, uid: int) -> None:
    """CVE-2022-24769 and its kin."""
    bundle.process["user"] = {"uid": uid, "gid": uid}
    script = "grep -E '^Cap(Inh|Amb)' /proc/self/status"
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        assert execute(box, "sh", "-c", script)[1] == "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n"
    assert bundle.sh(script)[1] == "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n"


def test_the_five_sets_are_exact(bundle: Bundle) -> None:
    bundle.process["capabilities"] = {
        "bounding": ["CAP_CHOWN", "CAP_KILL"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_KILL"],
        "inheritable": ["CAP_CHOWN"],
        "ambient": ["CAP_CHOWN"],
    }
    text = bundle.sh("grep ^Cap /proc/self/status")[1]
    assert [line.split()[1].lstrip("0") for line in text.splitlines()] == ["1", "21", "21", "21", "1"]


def test_ambient_ones_reach_a_user(bundle: Bundle) -> None:
    names = ["CAP_NET_BIND_SERVICE"]
    bundle.process["capabilities"] = dict.fromkeys(
        ("bounding", "permitted", "effective", "inheritable", "ambient"), names
    )
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    text = bundle.sh("grep ^CapEff /proc/self/status")[1]
    assert text == "CapEff:\t0000000000000400\n"


def test_image_code_is_never_loaded(bundle: Bundle, canary: pathlib.Path) -> None:
    """Modules, codecs and libraries planted where the interpreter has its own do not run (CVE-2019-14271's class)."""
    poison = f"open({str(canary / 'file')!r}, 'a').write('owned')\n"
    for folder in {*sys.path, os.path.dirname(os.__file__), sys.prefix}:
        if not folder or not os.path.isdir(folder):
            continue
        inside = bundle.rootfs / folder.lstrip("/")
        for name in (
            "encodings/idna.py",
            "traceback.py",
            "linecache.py",
            "os.py",
            "re/__init__.py",
            "sitecustomize.py",
        ):
            path = inside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(poison)
    (bundle.rootfs / "etc").mkdir(exist_ok=True)
    (bundle.rootfs / "etc" / "ld.so.preload").write_text(str(canary / "file"))
    for args in (["true"], ["nope"], ["/bin/true\udcff"], ["ü"]):
        _attempt(bundle, *args)
    bundle.process["cwd"] = "/ünknown/☃"
    _attempt(bundle, "true")
    assert (canary / "file").read_text() == "canary"


def _digest(path: str) -> str:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def test_the_machines_passwd_and_links_are_not_read(bundle: Bundle, canary: pathlib.Path) -> None:
    """/etc/passwd of the image as link, FIFO or huge file: no hang, nothing of the machine."""
    etc = bundle.rootfs / "etc"
    etc.mkdir()
    (canary / "passwd").write_text("root:x:0:0::/from/the/machine:/bin/sh\n")
    (etc / "passwd").symlink_to(canary / "passwd")
    assert bundle.sh("echo $HOME")[1] == "/\n"
    (etc / "passwd").unlink()
    os.mkfifo(etc / "passwd")
    assert bundle.sh("echo $HOME")[1] == "/\n"


@pytest.mark.parametrize("name", ["keyctl", "bpf", "mount", "unshare", "perf_event_open", "userfaultfd"])
def test_filter_forbids(bundle: Bundle, name: str) -> None:
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}],
    }
    # the filter is inherited: a child of ours under it says what the container would get
    assert bundle.sh("grep ^Seccomp: /proc/self/status")[1] == "Seccomp:\t2\n"
    number = {"keyctl": 250, "bpf": 321, "mount": 165, "unshare": 272, "perf_event_open": 298, "userfaultfd": 323}[name]
    if calls.MACHINE != "x86_64":
        pytest.skip("numbers of x86-64")
    assert _errno_under(seccomp.prepare(bundle.linux["seccomp"]), number) == 13


def _errno_under(prepared: seccomp.Filter, number: int) -> int:
    pid = os.fork()
    if pid == 0:
        seccomp.load(prepared)
        ctypes.set_errno(0)
        calls.libc.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0)
        os._exit(ctypes.get_errno())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_notifications_find_their_listener(bundle: Bundle, tmp_path: pathlib.Path, no_new_privileges: bool) -> None:
    bundle.process["noNewPrivileges"] = no_new_privileges
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(tmp_path / "listener"),
        "listenerMetadata": "told",
        "syscalls": [{"names": ["swapoff"], "action": "SCMP_ACT_NOTIFY"}],
    }
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "listener"))
        listener.listen()
        assert bundle.run("true")[0] == 0
        end, _ = listener.accept()
        with end:
            message, descriptors = sockets.receive(end)
    document = json.loads(message)
    assert (document["metadata"], document["fds"], document["state"]["status"]) == ("told", ["seccompFd"], "creating")
    assert os.readlink(f"/proc/self/fd/{descriptors[0]}") == "anon_inode:seccomp notify"
    os.close(descriptors[0])


def test_filter_without_no_new_privileges(bundle: Bundle) -> None:
    bundle.process["noNewPrivileges"] = False
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    status, text = bundle.sh("grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status; mkdir /x")
    assert "NoNewPrivs:\t0\nSeccomp:\t2\n" in text
    assert "Operation not permitted" in text
    assert status == 1


def test_filter_holds_for_exec_as_well(bundle: Bundle) -> None:
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        assert "Operation not permitted" in execute(box, "mkdir", "/x")[1]


def test_bad_profile_is_an_error_not_a_shrug(bundle: Bundle) -> None:
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_NONSENSE"}
    with pytest.raises(errors.SpecFault, match="SCMP_ACT_NONSENSE"):
        bundle.run("true")


def test_label_that_cannot_be_had_is_an_error(bundle: Bundle) -> None:
    if os.path.isdir("/sys/kernel/security/apparmor"):
        pytest.skip("AppArmor is here")
    bundle.process["apparmorProfile"] = "something"
    with pytest.raises(errors.Fault, match="apparmor"):
        bundle.run("true")


def test_keyring_is_the_containers_own(bundle: Bundle) -> None:
    assert bundle.sh("cat /proc/keys")[1] == ""  # masked
    bundle.linux["maskedPaths"] = []
    text = bundle.run("cat", "/proc/keys")[1]
    assert "_ses.test-" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel.domainname", "x\ny"),
        ("kernel.core_pattern", "|/x"),
        ("../kernel.domainname", "x"),
        ("net..ipv4", "1"),
        ("net.ipv4/../../kernel/domainname", "x"),
        ("kernel.shm_rmid_forced+kernel.domainname", "1"),
    ],
)
def test_sysctl_that_is_none_of_the_containers(bundle: Bundle, name: str, value: str) -> None:
    before = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    bundle.linux["sysctl"] = {name: value}
    with pytest.raises((errors.Fault, OSError)):
        bundle.run("true")
    assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_sysctl_without_a_namespace_of_its_own(bundle: Bundle) -> None:
    bundle.linux["namespaces"] = [item for item in bundle.linux["namespaces"] if item["type"] != "network"]
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    with pytest.raises(errors.SpecFault, match="network namespace"):
        bundle.run("true")


@pytest.mark.parametrize("id", ["", ".", "..", "../x", "a/b", "a" * 70000, "a\0b", "ü"])
def test_ids_that_are_none(bundle: Bundle, id: str) -> None:
    from boxship.ocirun import create

    with pytest.raises(errors.SpecFault):
        create.create(bundle.spec, id=id, bundle=str(bundle.folder))


def test_long_strings_in_the_specification(bundle: Bundle) -> None:
    """CVE-2021-43784's class: lengths that overflow somewhere."""
    bundle.spec["hostname"] = "h" * 70000
    with pytest.raises(errors.Fault, match="sethostname"):
        bundle.run("true")
    del bundle.spec["hostname"]
    bundle.process["cwd"] = "/" + "d/" * 40000
    with pytest.raises(errors.Fault):
        bundle.run("true")


def test_exe_of_a_waiting_init_cannot_be_written(bundle: Bundle) -> None:
    """CVE-2019-5736: what a container finds behind /proc/self/exe is not the machine's runtime."""
    before = _digest(sys.executable)
    link = bundle.rootfs / "bin" / "self"
    link.symlink_to("/proc/self/exe")
    _attempt(bundle, "/proc/self/exe", "-c", "print(1)")
    _attempt(bundle, "self", "sh", "-c", "true")
    assert _digest(sys.executable) == before
