"""The daemons that are compared: the same configuration, a root each, one client for both."""

import pathlib
import shlex
import subprocess
import time
from typing import IO

CONFIG = """version = 2
root = "{home}/root"
state = "{home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{home}/c.sock"
[ttrpc]
  address = "{home}/c.sock.ttrpc"
"""
PATIENCE = 20.0


class Failed(Exception):
    """A daemon or a command did not do what was measured; the message has its words."""


class Daemon:
    """Runs from construction to `stop`."""

    def __init__(self, name: str, command: str, home: pathlib.Path) -> None:
        self.name, self.home = name, home
        self.namespace = f"bench-{name}"  # control groups are the machine's: the two must not meet there
        self.address = f"{home}/c.sock"
        home.mkdir()
        (home / "config.toml").write_text(CONFIG.format(home=home))
        self._log = home / "log"
        with self._log.open("wb") as log:
            words = [*shlex.split(command), "-c", str(home / "config.toml")]
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._await()

    def ctr(
        self, *words: str, stdin: IO[bytes] | int = subprocess.DEVNULL, stdout: IO[bytes] | int = subprocess.DEVNULL
    ) -> float:
        """Run the client; returns the seconds it took. Raises Failed."""
        return self._time(["ctr", "-a", self.address, "-n", self.namespace, *words], stdin, stdout)

    def boxship(self, program: str, *words: str) -> float:
        """Run our command at it. Raises Failed."""
        return self._time(
            [program, "-a", self.address, "-n", self.namespace, *words], subprocess.DEVNULL, subprocess.DEVNULL
        )

    def end_containers(self, names: list[str]) -> None:
        for name in names:
            self.ctr("task", "rm", "-f", name)
            self.ctr("container", "rm", name)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _time(self, command: list[str], stdin: IO[bytes] | int, stdout: IO[bytes] | int) -> float:
        began = time.perf_counter()
        done = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, check=False)
        took = time.perf_counter() - began
        if done.returncode:
            said = done.stderr.decode(errors="replace")[-600:]
            raise Failed(f"{self.name}: {' '.join(command)}: {said}\nits log ends: {self._end_of_log()}")
        return took

    def _await(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.ctr("version")
            except Failed:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise Failed(f"{self.name} does not answer: {self._end_of_log()}")

    def _end_of_log(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]
