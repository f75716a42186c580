"""Two daemons with the same configuration on private roots, and one client that is run against both.

All of it runs in a mount namespace of its own, in which /run/containerd, the one folder that clients and shims know by
name, is empty at first; so nothing that others run is met, and what is left behind ends with the namespace.
"""

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
from collections.abc import Iterator, Mapping, Sequence

from compat.ctr import surface

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
WRAPPER = """#!/bin/sh
# ctr, and a note of how it was called and how it ended
case " $* " in
*" events "*) # has to end when it is told to
    '{client}' "$@" &
    trap "kill $! 2> /dev/null" TERM
    wait $!
    code=$? ;;
*)
    '{client}' "$@"
    code=$? ;;
esac
IFS='\x1f'
printf '%s\x1e' "$code\x1f$*" >> '{notes}'
exit $code
"""
WORDS = pathlib.Path(__file__).parent / "words.sh"
PATIENCE = 20.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a person sees of one command; `late` when it had to be ended."""

    code: int
    output: str
    errors: str
    late: bool = False


class Room:
    """A mount namespace, held open by a process that sleeps."""

    def __init__(self) -> None:
        pathlib.Path("/run/containerd").mkdir(mode=0o711, exist_ok=True)
        # shared among themselves as on a machine with systemd, but with nobody outside
        line = (
            "mount --make-rshared / && mount -t tmpfs -o mode=711 tmpfs /run/containerd && echo && exec sleep infinity"
        )
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", line], stdout=subprocess.PIPE
        )
        with self.process.stdout as ready:  # type: ignore[union-attr]
            if not ready.readline():
                raise RuntimeError("no mount namespace is to be had here")
        self.file = f"/proc/{self.process.pid}/ns/mnt"

    def inside(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--mount={self.file}", "--", *command]

    def end(self) -> None:
        """End every process that is in here."""
        mine = os.stat(self.file).st_ino
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "ns/mnt").stat().st_ino == mine and int(entry.name) != self.process.pid:
                    os.kill(int(entry.name), signal.SIGKILL)
        self.process.kill()
        self.process.wait()


class Daemon:
    """A running daemon; `home` holds its root, state, socket and log."""

    def __init__(self, name: str, command: Sequence[str], home: pathlib.Path, client: str, room: Room) -> None:
        """`command`: the daemon's program; a folder in its name is searched for shims first."""
        self.name = name
        self.home = home
        self.address = home / "c.sock"
        # cgroups are the machine's: the two must not meet there
        self.namespace = f"compat{os.getpid()}-{name}"
        self._room = room
        self._tools = home / "tools"
        self._tools.mkdir(parents=True)
        (home / "tmp").mkdir()
        self._notes = home / "calls"
        self._notes.touch()
        self._client = self._tools / "ctr"
        self._client.write_text(WRAPPER.format(client=shutil.which(client) or client, notes=self._notes))
        self._client.chmod(0o755)
        (home / "config.toml").write_text(CONFIG.format(home=home))
        beside = os.path.dirname(command[0])
        self._start(
            room.inside([*command, "-c", str(home / "config.toml")]),
            {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}" if beside else os.environ["PATH"]},
        )

    def _start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.check()
            if self.address.exists() and self.shell("ctr version").code == 0:
                self._notes.write_bytes(b"")
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer: {self.log()}")

    def check(self) -> None:
        """Raises RuntimeError when the daemon is gone."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} has ended with {self.process.returncode}: {self.log()}")

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.home / "log").read_text(errors="replace")[-3000:]

    def calls(self) -> list[surface.Call]:
        """Every call of ctr until now."""
        notes = [note.split("\x1f") for note in self._notes.read_text(errors="replace").split("\x1e") if note]
        return [surface.Call(words=tuple(words), code=int(code)) for code, *words in notes]

    def stop(self) -> None:
        """End its tasks, so that no shim stays behind, and then the daemon."""
        self.shell("for c in $(ctr tasks ls -q); do ctr tasks rm -f $c; done")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def shell(self, line: str, timeout: float = 20, soon: float = 0) -> Outcome:
        """Run a line of sh, in which `ctr` is the client at this daemon, and words.sh can be used."""
        env = {
            **os.environ,
            "CONTAINERD_ADDRESS": str(self.address),
            "CONTAINERD_NAMESPACE": self.namespace,
            "HEARD": str(self.home / "heard"),
            "LC_ALL": "C",
            "PATH": f"{self._tools}:{os.environ['PATH']}",
            "SOON": str(soon),
            "TMPDIR": str(self.home / "tmp"),
        }
        process = subprocess.Popen(
            self._room.inside(["sh", "-c", f". {WORDS}; cd {self.home}\n{line}"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
        late = False
        output: bytes | None
        errors: bytes | None
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            late = True
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = _rest(process)
        return Outcome(code=process.returncode, output=_text(output), errors=_text(errors), late=late)


def _rest(process: subprocess.Popen[bytes]) -> tuple[bytes | None, bytes | None]:
    try:
        return process.communicate(timeout=2)
    except subprocess.TimeoutExpired as failure:  # somebody in another session holds on to the pipes
        return failure.output, failure.stderr


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
                    self.stop()
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def clear_cgroups(name: str) -> None:
    """Take away the cgroups in whose path this name is, and the processes in them."""
    deadline = time.monotonic() + PATIENCE
    while found := [path for path, _, _ in os.walk("/sys/fs/cgroup", topdown=False) if name in path]:
        for path in found:
            with contextlib.suppress(OSError):
                for process in pathlib.Path(path, "cgroup.procs").read_text().split():
                    os.kill(int(process), signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.rmdir(path)
        if time.monotonic() > deadline:
            raise RuntimeError(f"cgroups stay behind: {found}")


@contextlib.contextmanager
def pair(
    folder: pathlib.Path, client: str, original: str, ours: Sequence[str] = ()
) -> Iterator[tuple[Daemon, Daemon, Registry]]:
    """Ours, the original, and a registry for both; all gone at the end."""
    folder.chmod(0o711)  # root of a user namespace is somebody else here, and must reach its file system
    commands = {"ours": list(ours) or [sys.executable, "-m", "boxship.daemon.main"], "peer": [original]}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        registry = Registry(folder / "registry")
        stack.callback(registry.stop)
        stack.callback(clear_cgroups, f"compat{os.getpid()}-")
        room = Room()
        stack.callback(room.end)
        started: list[Daemon] = []
        for name, words in commands.items():
            started.append(Daemon(name, words, folder / name, client, room))
            stack.callback(started[-1].stop)
        yield started[0], started[1], registry
