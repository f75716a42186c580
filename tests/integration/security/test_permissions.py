"""Who may enter the daemon's folders and connect to its sockets: root, whatever the umask and whatever was there."""

import ctypes
import os
import pathlib
import socket
import stat
import threading

import pytest
from integration.system import engines

pytestmark = [pytest.mark.root, pytest.mark.slow]

NOBODY = 65534
LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = {"x86_64": (116, 123, 122), "aarch64": (159, 152, 151)}
"""Of setgroups, setfsgid and setfsuid; the C library's would change all threads."""
UMASKS = (0o000, 0o022, 0o077)
IMAGES = "io.containerd.snapshotter.v1."
"""Below such folders lie the files of images, whose modes are the images'."""


@pytest.fixture(scope="module", params=UMASKS, ids=[f"umask-{each:03o}" for each in UMASKS])
def umask(request):
    return request.param


@pytest.fixture(scope="module", params=["fresh", "loose"])
def living(request, umask):
    """A daemon with a container that runs; `loose`: over folders that somebody has opened to everybody."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with engines.folder() as home:
        os.chmod(home, 0o755)
        made = engines.Engine(home, "security-modes")
        try:
            made.start(umask=umask)
            engines.pull_busybox(made)
            if request.param == "loose":
                made.stop()
                loosen(home)
                made.start(umask=umask)
            with made.connect() as client:
                client.containers.create("box", ["sleep", "1000"], name="sleeper", pull="never").start()
            yield made
        finally:
            made.clean_up()


def loosen(home):
    for base, folders, files in os.walk(home):
        for name in (*folders, *files):
            path = os.path.join(base, name)
            if not os.path.islink(path) and IMAGES not in path:
                os.chmod(path, 0o777 if name in folders else 0o666)


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def ours(home):
    """Everything of the daemon but the insides of images."""
    for base, folders, files in os.walk(home):
        folders[:] = [each for each in folders if not (each in {"fs", "work", "rootfs"} and base != str(home))]
        yield from (pathlib.Path(base, name) for name in (*folders, *files))


def sockets(home):
    return [path for path in ours(home) if stat.S_ISSOCK(path.lstat().st_mode)]


def abstract_sockets(pids):
    """Names without a path that these processes hold."""
    held = set()
    for pid in pids:
        for each in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            try:
                link = os.readlink(each)
            except OSError:
                continue
            if link.startswith("socket:["):
                held.add(link[8:-1])
    lines = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
    return [line[7] for line in lines if len(line) > 7 and line[7].startswith("@") and line[6] in held]


def as_nobody(*actions):
    """What becomes of each action, tried by a thread of a user without any right: those are a thread's own (credentials(7))."""
    found = []

    def attempt():
        groups, group, user = NUMBERS[os.uname().machine]
        assert LIBC.syscall(groups, 0, None) == 0
        LIBC.syscall(group, NOBODY)
        LIBC.syscall(user, NOBODY)
        for action in actions:
            try:
                action()
                found.append("done")
            except OSError as error:
                found.append(type(error).__name__)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return found


def connect(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(str(path))


def test_nobody_is_nobody(tmp_path):
    """The attempts below can succeed: where there is permission they do."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with engines.folder() as home, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{home}/s")
        listener.listen()
        os.chmod(f"{home}/s", 0o666)
        assert as_nobody(lambda: connect(home / "s"), lambda: os.listdir(home)) == ["done", "done"]
        os.chmod(f"{home}/s", 0o660)
        assert as_nobody(lambda: connect(home / "s")) == ["PermissionError"]


def test_modes(living):
    home, bundle = living.home, living.bundle("sleeper")
    assert mode(home / "root") == 0o700
    assert mode(home / "state") == 0o711
    assert mode(bundle) == 0o700
    assert {path.name: mode(path) for path in (home / "c.sock", home / "c.sock.ttrpc")} == {
        "c.sock": 0o660,
        "c.sock.ttrpc": 0o660,
    }
    assert mode(home / "state/s") == 0o700
    shims = [path for path in sockets(home) if path.parent.name == "s"]
    assert len(shims) == 1
    assert [mode(path) for path in shims] == [0o600]


def test_nothing_is_open_to_everybody(living, umask, request):
    """What everybody may write, or runs as its owner. Old files of a loosened tree stay, behind a closed door."""
    before = living.home / "root" if "loose" in request.node.name else None
    wrong = [
        (str(path), oct(mode(path)))
        for path in ours(living.home)
        if path.name not in {"config.toml", "log"}
        and not (before and path.is_relative_to(before))
        and not stat.S_ISLNK(path.lstat().st_mode)
        and (mode(path) & 0o002 or mode(path) & (stat.S_ISUID | stat.S_ISGID))
    ]
    assert wrong == []


def test_no_socket_is_without_a_path(living):
    held = engines.pids()
    with socket.socket(socket.AF_UNIX) as ours_here:
        ours_here.bind("\0boxship-control")
        assert "@boxship-control" in abstract_sockets([os.getpid()])
    mine = [pid for pid in held if pid == living.pid or pid in living.processes()]
    assert abstract_sockets(mine) == []


def test_nobody_gets_in(living):
    home = living.home
    found = sockets(home)
    assert len(found) == 3
    assert as_nobody(*[lambda path=path: connect(path) for path in found]) == ["PermissionError"] * 3
    closed = [home / "root", living.bundle("sleeper"), home / "state/s"]
    assert as_nobody(*[lambda path=path: os.listdir(path) for path in closed]) == ["PermissionError"] * 3
    assert as_nobody(lambda: os.listdir(home / "state")) == ["PermissionError"]
    through = [
        home / "root/boxshipd.lock",
        living.bundle("sleeper") / "config.json",
        living.bundle("sleeper") / "rootfs/bin",
    ]
    assert as_nobody(*[lambda path=path: os.stat(path) for path in through]) == ["PermissionError"] * 3
