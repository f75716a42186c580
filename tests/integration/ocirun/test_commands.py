"""`boxship-oci` as a caller of runc knows it: files, texts, exit codes; beside runc itself where that is installed."""

import array
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from integration.ocirun.conftest import Bundle

pytestmark = pytest.mark.root

_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from boxship.ocirun import main; sys.exit(main.main())"
MAIN = [sys.executable, "-I", "-c", _CODE, str(pathlib.Path(__file__).parents[3] / "src")]

Result = subprocess.CompletedProcess[str]


class Runtime:
    def __init__(self, words: list[str], root: pathlib.Path, folder: pathlib.Path) -> None:
        self.words = [*words, "--root", str(root)]
        self.root = root
        self.folder = folder

    def __call__(self, *words: str, input: str | None = None, **options: object) -> Result:
        return subprocess.run(
            [*self.words, *words], capture_output=True, text=True, cwd=self.folder, check=False, timeout=60,
            input=input, stdin=None if input is not None else subprocess.DEVNULL, **options,
        )  # fmt: skip

    def quiet(self, *words: str) -> int:
        """Without pipes, which a container that lives on would hold open."""
        return subprocess.run(
            [*self.words, *words], cwd=self.folder, check=False, timeout=60, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode  # fmt: skip


@pytest.fixture
def make(bundle: Bundle, tmp_path: pathlib.Path) -> Iterator[Callable[..., Runtime]]:
    made: list[Runtime] = []

    def build(words: list[str] = MAIN, **process: object) -> Runtime:
        bundle.process["args"] = ["sleep", "1000"]
        bundle.process.update(process)
        bundle.linux["cgroupsPath"] = f"/boxship-test/{os.getpid()}-{len(made)}"
        (bundle.folder / "config.json").write_text(json.dumps({**bundle.spec, "ociVersion": "1.0.2"}))
        made.append(Runtime(words, tmp_path / f"root{len(made)}", bundle.folder))
        return made[-1]

    yield build
    for runtime in made:
        for id in runtime("list", "-q").stdout.split():
            runtime("delete", "--force", id)


@pytest.fixture
def oci(make: Callable[..., Runtime]) -> Runtime:
    return make()


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def _status(runtime: Runtime, id: str) -> str:
    return str(json.loads(runtime("state", id).stdout)["status"])


def test_run_in_front(make: Callable[..., Runtime]) -> None:
    done = make(args=["sh", "-c", "echo out; echo err >&2; exit 42"])("run", "one")
    assert (done.returncode, done.stdout, done.stderr) == (42, "out\n", "err\n")


def test_nothing_stays_after_run(make: Callable[..., Runtime]) -> None:
    runtime = make(args=["true"])
    assert runtime("run", "one").returncode == 0
    assert [path.name for path in runtime.root.iterdir() if not path.name.startswith("@")] == []


def test_create_start_kill_delete(oci: Runtime) -> None:
    assert oci.quiet("create", "--pid-file", "pid", "one") == 0
    assert _status(oci, "one") == "created"
    assert (oci.root / "one" / "exec.fifo").exists()
    pid = int((oci.folder / "pid").read_text())
    assert os.readlink(f"/proc/{pid}/exe").startswith("/memfd:")
    assert oci("start", "one").returncode == 0
    assert not (oci.root / "one" / "exec.fifo").exists()
    assert _status(oci, "one") == "running"
    assert json.loads(oci("ps", "-f", "json", "one").stdout) == [pid]
    assert oci("kill", "one", "KILL").returncode == 0
    _wait(lambda: _status(oci, "one") == "stopped")
    assert oci("delete", "one").returncode == 0
    assert oci("state", "one").returncode == 1


def test_failed_execve_is_told_by_start(make: Callable[..., Runtime], bundle: Bundle) -> None:
    script = bundle.rootfs / "script"
    script.write_text("#!/no/such/thing\n")
    script.chmod(0o755)
    runtime = make(args=["/script"])
    assert runtime.quiet("create", "one") == 0
    done = runtime("start", "one")
    assert done.returncode == 1
    assert "exec /script: no such file or directory" in done.stderr


def test_run_of_a_failed_execve_says_the_cause(make: Callable[..., Runtime], bundle: Bundle) -> None:
    script = bundle.rootfs / "script"
    script.write_text("#!/no/such/thing\n")
    script.chmod(0o755)
    done = make(args=["/script"])("run", "one")
    assert done.returncode == 1
    assert "its interpreter /no/such/thing does not exist in the container" in done.stderr


def test_log_file_in_json(make: Callable[..., Runtime], tmp_path: pathlib.Path) -> None:
    runtime = make(args=["nope"])
    done = runtime("--log", str(tmp_path / "log"), "--log-format", "json", "create", "one")
    text = 'runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH'
    assert json.loads((tmp_path / "log").read_text())["msg"] == text
    assert done.stderr == text + "\n"
    assert done.returncode == 1


def test_exec(oci: Runtime) -> None:
    oci.quiet("run", "-d", "one")
    done = oci(
        "exec", "-e", "A=b", "--cwd", "/bin", "-u", "5:6", "-g", "7", "one", "sh", "-c", "echo $A; pwd; id -u; id -G"
    )
    assert (done.returncode, done.stdout) == (0, "b\n/bin\n5\n6 7\n")
    assert oci("exec", "one", "sh", "-c", "exit 9").returncode == 9
    assert oci("exec", "one", "nope").returncode == 255
    assert oci("exec", "-u", "1x", "one", "true").returncode == 255


def test_exec_of_a_process_file(oci: Runtime, bundle: Bundle) -> None:
    oci.quiet("run", "-d", "one")
    process = {**bundle.process, "args": ["sh", "-c", "echo from $HERE"], "env": ["PATH=/bin", "HERE=file"]}
    (bundle.folder / "process.json").write_text(json.dumps(process))
    assert oci("exec", "-p", "process.json", "one").stdout == "from file\n"


def test_exec_detached_writes_its_pid(oci: Runtime) -> None:
    oci.quiet("run", "-d", "one")
    assert oci.quiet("exec", "-d", "--pid-file", "pid2", "one", "sleep", "1000") == 0
    pid = int((oci.folder / "pid2").read_text())
    assert pid in json.loads(oci("ps", "-f", "json", "one").stdout)


def test_pause_and_update(oci: Runtime) -> None:
    oci.quiet("run", "-d", "one")
    oci("pause", "one")
    assert _status(oci, "one") == "paused"
    assert "paused container" in oci("exec", "one", "true").stderr
    oci("resume", "one")
    assert oci("update", "--memory", "64m", "--pids-limit", "50", "one").returncode == 0
    assert oci("update", "-r", "-", "one", input='{"cpu": {"shares": 77}}').returncode == 0
    data = json.loads(oci("events", "--stats", "one").stdout)["data"]
    assert data["pids"]["limit"] == 50
    kept = json.loads((oci.root / "one" / "state.json").read_text())["spec"]["linux"]["resources"]
    assert (kept["memory"]["limit"], kept["cpu"]["shares"]) == (64 << 20, 77)


def test_console_socket(make: Callable[..., Runtime], tmp_path: pathlib.Path) -> None:
    runtime = make(terminal=True, args=["sh", "-c", "echo on a terminal"])
    path = str(tmp_path / "console.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        assert runtime.quiet("create", "--console-socket", path, "one") == 0
        end, _ = listener.accept()
        with end:
            _, control, _, _ = end.recvmsg(4096, socket.CMSG_SPACE(4))
    master = array.array("i", control[0][2])[0]
    runtime("start", "one")
    assert os.read(master, 100) == b"on a terminal\r\n"
    os.close(master)


def test_combinations_of_terminals_that_cannot_be(make: Callable[..., Runtime]) -> None:
    assert "without setting console socket" in make(terminal=True)("create", "one").stderr
    assert "cannot use console socket" in make(terminal=False)("create", "--console-socket", "/x", "one").stderr


def test_signals_go_on_to_the_process_in_front(make: Callable[..., Runtime]) -> None:
    runtime = make(args=["sh", "-c", "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"])
    process = subprocess.Popen(
        [*runtime.words, "run", "one"], cwd=runtime.folder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[0] == "caught\n"
    assert process.returncode == 5


def test_dry_run_prints_the_plan(oci: Runtime) -> None:
    done = oci("run", "--dry-run", "one")
    assert done.returncode == 0
    assert f"pivot root to {oci.folder}/rootfs" in done.stdout.splitlines()
    assert not oci.root.exists()


def test_features_and_version(oci: Runtime) -> None:
    document = json.loads(oci("features").stdout)
    assert document["ociVersionMin"] == "1.0.0"
    assert "rro" in document["mountOptions"]
    assert document["linux"]["cgroup"]["systemd"] is False
    assert oci("--version").stdout.startswith("boxship-oci version ")


def test_spec_is_written_once(oci: Runtime, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    assert oci("spec", "-b", str(folder)).returncode == 0
    assert json.loads((folder / "config.json").read_text())["process"]["args"] == ["sh"]
    assert "Remove it first" in oci("spec", "-b", str(folder)).stderr


def test_half_made_container_can_be_deleted(oci: Runtime) -> None:
    (oci.root / "one").mkdir(parents=True)
    assert "does not exist" in oci("state", "one").stderr
    oci("delete", "--force", "one")
    assert not (oci.root / "one").exists()


TALKS = (
    ("state one",), ("list",), ("list", "-f", "json"), ("list", "-q"), ("kill one FOO",), ("kill nope 9",), ("delete one",),
    ("start one",), ("resume one",), ("pause one",), ("list",), ("exec one true",), ("resume one",), ("exec nope true",),
    ("run -d one",), ("create --bundle /nonexist two",), ("create a/b",), ("foo",), ("exec one",), ("exec one nope",),
    ("exec -u 1000:1000 one id",), ("update --memory 64m one",), ("kill one KILL",), ("SLEEP",), ("state one",),
    ("kill one",), ("start one",), ("exec one true",), ("pause one",), ("delete one",), ("delete one",),
    ("delete --force one",), ("state one",), ("update nope",), ("ps nope",), ("events nope",),
)  # fmt: skip


@pytest.mark.peer
@pytest.mark.slow
def test_the_same_talk_with_runc(make: Callable[..., Runtime]) -> None:
    runc = shutil.which("runc")
    if runc is None:
        pytest.skip("needs runc")
    assert _talk(make(), "ours") == _talk(make([runc]), "theirs")


def _talk(runtime: Runtime, name: str) -> list[tuple[str, int, str, str]]:
    said: list[tuple[str, int, str, str]] = []
    assert runtime.quiet("run", "-d", "one") == 0
    for words in TALKS:
        line = " ".join(words)
        if line == "SLEEP":
            _wait(lambda: _status(runtime, "one") == "stopped")
            continue
        done = runtime(*line.split())
        said.append((line, done.returncode, _masked(done.stdout), _masked(done.stderr)))
    return said


def _masked(text: str) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z *", "TIME ", text)
    text = re.sub(r'("ociVersion": ?)"[^"]*"', r"\1V", text)
    text = re.sub(r'("pid": ?)\d+', r"\1N", text)
    text = re.sub(r"(one +)\d+ +", r"\1N ", text)
    return re.sub(r" +", " ", text)
