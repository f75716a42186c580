"""Where the measured daemons live: one work folder on an ext4 in memory, gone at the end."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
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
"""
SIZE = 6 << 30
PATIENCE = 20.0


@contextlib.contextmanager
def memory_disk() -> Iterator[pathlib.Path]:
    """A folder on an ext4 in a file on /dev/shm."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="boxship-bench-", dir="/var/tmp"))
    disk = pathlib.Path("/dev/shm") / f"{folder.name}.ext4"
    try:
        with disk.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", disk], check=True)
        subprocess.run(["mount", "-o", "loop,discard", disk, folder], check=True)
        yield folder
    finally:
        for line in reversed(pathlib.Path("/proc/self/mounts").read_text().split("\n")):
            if line and line.split()[1].startswith(str(folder)):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        shutil.rmtree(folder, ignore_errors=True)
        disk.unlink(missing_ok=True)


class Daemon:
    """A daemon that answers; `pids` are the processes that its start brought."""

    def __init__(self, name: str, command: Sequence[str], home: pathlib.Path, ctr: str) -> None:
        self.name, self.home, self._ctr = name, home, ctr
        self.socket = home / "c.sock"
        home.mkdir()
        config = home / "config.toml"
        config.write_text(CONFIG.format(home=home))
        before = processes()
        with (home / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait()
        self.pids = processes() - before

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.socket.exists() and self.run("version", check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer: {(self.home / 'log').read_text()[-2000:]}")

    def run(self, *words: str, check: bool = True, **streams: object) -> "subprocess.CompletedProcess[bytes]":
        """The client with these words, in a namespace of this daemon's own."""
        command = [self._ctr, "-a", str(self.socket), "-n", f"bench-{self.name}", *words]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams}
        return subprocess.run(command, stderr=subprocess.PIPE, check=check, **streams)  # type: ignore[call-overload]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def processes() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def memory(pid: int) -> int:
    """KiB that are this process's share of memory (PSS); 0 when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.split("\n") if line.startswith("Pss:")), 0)


def command_line(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
