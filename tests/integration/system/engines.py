"""A boxshipd on private folders that can be killed and started again, and somebody who hears all of its events."""

import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from integration.client import pictures

import boxship
from boxship.terms import errors
from boxship.testing import registry
from boxship.wire import events as wire_events

PROGRAM = (sys.executable, "-m", "boxship.daemon.main")
CONTAINERD = ("containerd",)
CONFIG = """
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
root = "{home}/root"
state = "{home}/state"
[grpc]
  address = "{home}/c.sock"
[ttrpc]
  address = "{home}/c.sock.ttrpc"
"""
PATIENCE = 20.0


def until(condition: Callable[[], Any], what: str = "it", seconds: float = PATIENCE) -> Any:
    """What `condition` gives once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.005)
    return found


class Engine:
    """A daemon as a process, `start`ed and ended in every way; its folders are kept in between."""

    def __init__(self, home: pathlib.Path, namespace: str, program: Sequence[str] = PROGRAM) -> None:
        """`program`: another daemon with the same command line."""
        self.home, self.namespace, self.program = home, namespace, program
        self.address = f"{home}/c.sock"
        self.process: subprocess.Popen[bytes] | None = None
        (home / "config.toml").write_text(CONFIG.format(home=home))

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *, umask: int = -1) -> float:
        """Returns the seconds until it answers."""
        began = time.monotonic()
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "-c", str(self.home / "config.toml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=umask,
            )
        until(self._answers, f"an answer of the daemon ({self.log()[-2000:]})")
        return time.monotonic() - began

    def end(self, number: int) -> None:
        """By a signal; returns when it is gone."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)

    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    def connect(self) -> Any:
        return boxship.connect(self.address, namespace=self.namespace)

    def ctr(self, *words: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[bytes]:
        """Debian's client at this daemon."""
        command = ["ctr", "-a", self.address, "-n", self.namespace, *words]
        return subprocess.run(command, capture_output=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL)

    def processes(self) -> set[int]:
        """Those that stand in one of our folders or below, which are shims, and those in a control group of ours."""
        return {pid for pid in pids() if self._owns(pid)}

    def bundle(self, id: str) -> pathlib.Path:
        return self.home / "state/io.containerd.runtime.v2.task" / self.namespace / id

    def shim_of(self, id: str) -> int:
        """The process that stands in the container's bundle."""
        return next(pid for pid in pids() if _read_link(f"/proc/{pid}/cwd") == str(self.bundle(id)))

    def clean_up(self) -> None:
        """End the daemon and whatever of ours still lives, and leave no mount behind."""
        if self.process is not None:
            self.kill()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._thaw()
        until(lambda: not self.processes(), "the end of what is left")
        for line in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{self.home}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        for group in pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.namespace}"):
            for below, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):  # another engine has something there
                    os.rmdir(below)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3000:]
        try:
            with self.connect() as client:
                client.version()
        except errors.Error:
            return False
        return True

    def _thaw(self) -> None:
        """What is frozen does not die, on cgroup v1."""
        for frozen in pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.namespace}/*/freezer.state"):
            frozen.write_text("THAWED")

    def _owns(self, pid: int) -> bool:
        if _read_link(f"/proc/{pid}/cwd").startswith(f"{self.home}/"):
            return True
        try:
            return f"/{self.namespace}/" in pathlib.Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            return False


class Ear:
    """Hears the events of one namespace, also of daemons that come after the first one: it subscribes again at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._closed = engine, False
        self._lock = threading.Lock()
        self._heard: list[tuple[str, int, dict[str, Any]]] = []
        self._subscription: Any = None
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)
        self._thread.start()

    def about(self, id: str) -> list[tuple[str, int, dict[str, Any]]]:
        """(topic, time of the envelope, fields) of the container's events, in the order in which they came."""
        with self._lock:
            return [each for each in self._heard if each[2].get("container_id", each[2].get("id")) == id]

    def topics(self, id: str) -> list[str]:
        return [topic for topic, _, _ in self.about(id) if topic.startswith("/tasks")]

    def exits(self, id: str, exec_id: str = "") -> list[dict[str, Any]]:
        return [f for topic, _, f in self.about(id) if topic == "/tasks/exit" and f["id"] == (exec_id or id)]

    def wait_for(self, topic: str, id: str) -> None:
        until(lambda: topic in self.topics(id), f"{topic} of {id}")

    def settle(self) -> None:
        """Wait until the subscription works: what is published after this is heard."""
        number = time.monotonic_ns()
        with self._engine.connect() as client:

            def heard() -> bool:
                from boxship.core import events

                fields = {"name": f"bell-{number}"}
                client.publisher.publish(
                    self._engine.namespace,
                    "/bell",
                    events.Event(name="containerd.events.NamespaceCreate", fields=fields),
                )
                with self._lock:
                    return any(topic == "/bell" and each == fields for topic, _, each in self._heard)

            until(heard, "a working subscription")

    def close(self) -> None:
        self._closed = True
        subscription = self._subscription
        if subscription is not None:
            subscription.close()
        self._thread.join(PATIENCE)

    def _listen(self) -> None:
        while not self._closed:
            try:
                with self._engine.connect() as client:
                    self._subscription = client.events([f"namespace=={self._engine.namespace}"])
                    for envelope in self._subscription:
                        self._note(envelope)
            except errors.Error:
                time.sleep(0.001)

    def _note(self, envelope: Any) -> None:
        event = wire_events.decode(envelope.event)
        with self._lock:
            # What is zero does not travel.
            zeros = {"exit_status": 0} if envelope.topic in {"/tasks/exit", "/tasks/delete"} else {}
            self._heard.append((envelope.topic, envelope.timestamp, {**zeros, **(event.fields if event else {})}))


@contextlib.contextmanager
def folder() -> Iterator[pathlib.Path]:
    """A short one, for the sockets in it."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="bx", dir="/run"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def engine(namespace: str = "", program: Sequence[str] = PROGRAM) -> Iterator[Engine]:
    """One that runs; everything of it is gone at the end.

    Without a name its namespace is like no other: control groups are the kernel's, and so are those of somebody else
    who runs the same tests.
    """
    with folder() as home:
        made = Engine(home, namespace or f"system-{secrets.token_hex(4)}", program)
        try:
            made.start()
            yield made
        finally:
            made.clean_up()


def pull_busybox(engine: Engine) -> str:
    """Give a daemon the image of busybox; returns its name."""
    with registry.Registry() as remote, engine.connect() as client:
        reference = pictures.push(remote, config={"Cmd": ["sh"], "Env": ["PATH=/bin"]})
        client.images.pull(reference)
        return client.images.tag(reference, "box").name


def pids() -> list[int]:
    return [int(each) for each in os.listdir("/proc") if each.isdigit()]


def is_alive(pid: int) -> bool:
    """Whether there is such a process that is no zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
