"""Two daemons with the same configuration on private roots, and one client that is run against both."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

CONFIG = """
version = 2
root = "{home}/root"
state = "{home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{home}/c.sock"
[ttrpc]
  address = "{home}/c.sock.ttrpc"
[plugins."io.containerd.gc.v1.scheduler"]
  mutation_threshold = 1000000
  pause_threshold = 0.000001
"""
"""Collections run on request only: else chance decides what a list shows."""
PATIENCE = 20.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a person sees of one command."""

    code: int
    output: str
    errors: str


class Daemon:
    """A running daemon; `home` holds its root, state, socket and log."""

    def __init__(self, name: str, command: Sequence[str], home: pathlib.Path, client: str) -> None:
        """`command`: the daemon's program; a folder in its name is searched for shims first."""
        self.name = name
        self.home = home
        self.client = shutil.which(client) or client
        self.address = home / "c.sock"
        self.namespace = (
            f"compat{os.getpid()}-{name}"  # cgroups and runc's state are the machine's: the two must not meet there
        )
        self._command = [*command, "-c", str(home / "config.toml")]
        beside = os.path.dirname(command[0])
        self._env = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}" if beside else os.environ["PATH"]}
        self._tools = home / "tools"
        self._tools.mkdir(parents=True)
        self._scratch = home / "tmp"
        self._scratch.mkdir()
        (self._tools / "ctr").symlink_to(self.client)
        (home / "config.toml").write_text(CONFIG.format(home=home))
        self.start()

    def start(self) -> None:
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self.address.exists() and self.ctr("version").code == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer: {(self.home / 'log').read_text()[-3000:]}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def finish(self) -> None:
        """End all tasks, so that no shim stays behind."""
        for name in self.ctr("task", "ls", "-q").output.split():
            self.ctr("task", "rm", "-f", name)

    def ctr(self, *words: str, timeout: float = 20) -> Outcome:
        """Run the client with these words."""
        return self._run([self.client, *words], self._surroundings(), timeout)

    def shell(self, line: str, timeout: float = 20) -> Outcome:
        """Run a line of sh, in which `ctr` is the client at this daemon."""
        env = self._surroundings()
        return self._run(["sh", "-c", line], {**env, "PATH": f"{self._tools}:{env['PATH']}"}, timeout)

    def _surroundings(self) -> dict[str, str]:
        return {
            **os.environ,
            "CONTAINERD_ADDRESS": str(self.address),
            "CONTAINERD_NAMESPACE": self.namespace,
            "LC_ALL": "C",
            "TMPDIR": str(self._scratch),
        }

    def _run(self, command: Sequence[str], env: dict[str, str], timeout: float) -> Outcome:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=self.home,
            start_new_session=True,
        )
        late = ""
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            late = "\n(no end in time)"
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
        return Outcome(code=process.returncode, output=_text(output), errors=_text(errors) + late)


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")


class Registry:
    """Debian's docker-registry on a loopback port."""

    def __init__(self, home: pathlib.Path) -> None:
        home.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        config = home / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {home}/data}}}}\n"
            f"http: {{addr: '{self.host}'}}\n"
        )
        with (home / "log").open("wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def clear(folder: pathlib.Path, started: Sequence[Daemon]) -> None:
    """Take away what commands left: their processes, mounts, cgroups, runc's state, files."""
    names = [daemon.namespace for daemon in started]
    for line in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", place], check=False)
    for name in names:
        for cgroup in pathlib.Path("/sys/fs/cgroup").glob(f"**/{name}"):
            for below in sorted(cgroup.glob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    below.rmdir()
        shutil.rmtree(f"/run/containerd/runc/{name}", ignore_errors=True)
    for link in pathlib.Path("/run/containerd/s").glob("*"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{folder}/"):
            link.unlink()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def pair(
    folder: pathlib.Path, client: str, original: str, ours: Sequence[str] = ()
) -> Iterator[tuple[Daemon, Daemon, Registry]]:
    """Ours, the original, and a registry for both; all gone at the end."""
    folder.chmod(0o711)  # root of a user namespace is somebody else here, and must reach its file system
    command = list(ours) or [sys.executable, "-m", "boxship.daemon.main"]
    registry = Registry(folder / "registry")
    started: list[Daemon] = []
    try:
        for name, words in (("ours", command), ("peer", [original])):
            started.append(Daemon(name, words, folder / name, client))
        yield started[0], started[1], registry
    finally:
        for daemon in started:
            daemon.finish()
        for daemon in started:
            daemon.stop()
        registry.stop()
        clear(folder, started)
