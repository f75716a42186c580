"""What is measured. Each section takes the daemons (ours first) and yields figures; runs of the two alternate."""

import concurrent.futures
import dataclasses
import hashlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import daemons
import memory
import pictures

from boxship.rpc import client, methods

PARALLEL, CLIENTS, RUNNING = 50, 10, 20
BLOB_MIB = 512
CALLS, BLOCKS = 200, 10
LOAD = 20_000  # calls of one run of h2load
REST = 3.0  # seconds, for what daemons and shims do after their work
BOXSHIP = str(pathlib.Path(sys.executable).with_name("boxship"))
Measure = Callable[[daemons.Daemon, int], float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`peer` is None when there is nobody to compare with. More is better when the unit is per second."""

    measure: str
    unit: str
    goal: float
    ours: float
    peer: float | None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        if self.ratio is None:
            return None
        return self.ratio >= self.goal if self.unit.endswith("/s") else self.ratio <= self.goal


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`both`: our daemon, and the peer when there is one. `runs` of what is quick."""

    both: Sequence[daemons.Daemon]
    work: pathlib.Path
    host: str
    runs: int

    @property
    def small(self) -> str:
        return f"{self.host}/{pictures.SMALL}:1"

    def figure(self, measure: str, unit: str, goal: float, found: Sequence[float]) -> Figure:
        return Figure(measure=measure, unit=unit, goal=goal, ours=found[0], peer=found[1] if len(found) > 1 else None)

    def alternate(self, measure: Measure, runs: int) -> list[float]:
        """The median of each daemon, after one run that does not count."""
        found: list[list[float]] = [[] for _ in self.both]
        for number in range(-1, runs):
            for daemon, took in zip(self.both, found, strict=True):
                seconds = measure(daemon, number)
                if number >= 0:
                    took.append(seconds)
        return [statistics.median(took) for took in found]


def run(setting: Setting) -> Iterator[Figure]:
    """One container from nothing to its end and removal."""
    found = setting.alternate(lambda d, n: d.ctr("run", "--rm", setting.small, f"r{n}", "true") * 1e3, setting.runs)
    yield setting.figure("run", "ms", 0.33, found)


def parallel(setting: Setting) -> Iterator[Figure]:
    """Many of them by some clients at once."""

    def fifty(daemon: daemons.Daemon, number: int) -> float:
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            names = [f"p{number}-{each}" for each in range(PARALLEL)]
            list(pool.map(lambda name: daemon.ctr("run", "--rm", setting.small, name, "true"), names))
        return time.perf_counter() - began

    yield setting.figure("parallel", "s", 0.33, setting.alternate(fifty, 3))


def execute(setting: Setting) -> Iterator[Figure]:
    """A command in a container that runs."""
    for daemon in setting.both:
        daemon.ctr("run", "-d", setting.small, "host", "sleep", "1000")
    found = setting.alternate(
        lambda d, n: d.ctr("task", "exec", "--exec-id", f"e{n}", "host", "true") * 1e3, setting.runs
    )
    for daemon in setting.both:
        daemon.end_containers(["host"])
    yield setting.figure("exec", "ms", 0.33, found)


def memories(setting: Setting) -> Iterator[Figure]:
    """Of the daemon with its helpers, and of what keeps a running container."""
    idle, each = [], []
    names = [f"m{number}" for number in range(RUNNING)]
    for daemon in setting.both:
        time.sleep(REST)
        idle.append(_memory(memory.helpers(daemon.process.pid)))
        for name in names:
            daemon.ctr("run", "-d", setting.small, name, "sleep", "1000")
        time.sleep(REST)
        each.append(_memory(memory.keepers(str(daemon.home))) / RUNNING)
        daemon.end_containers(names)
    yield setting.figure("memory per container", "KiB", 0.40, each)
    yield setting.figure("daemon memory", "KiB", 0.8, idle)


def _memory(pids: set[int]) -> float:
    return float(sum(map(memory.kib, pids)))


def blobs(setting: Setting) -> Iterator[Figure]:
    """A large blob into the store, and out of it."""
    blob, digest = setting.work / "blob", hashlib.sha256()
    with blob.open("wb") as file:
        for _ in range(BLOB_MIB):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            file.write(piece)
    name = f"sha256:{digest.hexdigest()}"

    def ingest(daemon: daemons.Daemon, number: int) -> float:
        if number > -1:
            daemon.ctr("content", "rm", name)
        with blob.open("rb") as file:
            return daemon.ctr("content", "ingest", f"bench{number}", stdin=file)

    def read(daemon: daemons.Daemon, _: int) -> float:
        with open(os.devnull, "wb") as sink:
            return daemon.ctr("content", "get", name, stdout=sink)

    for measure, action in (("ingest", ingest), ("read", read)):
        found = [BLOB_MIB / seconds for seconds in setting.alternate(action, 3)]
        yield setting.figure(measure, "MiB/s", 2.0, found)
    for daemon in setting.both:
        daemon.ctr("content", "rm", name)
    blob.unlink()


def pull(setting: Setting) -> Iterator[Figure]:
    """Five layers, fetched and unpacked."""
    image = f"{setting.host}/{pictures.BIG}:1"

    def once(daemon: daemons.Daemon, _: int) -> float:
        os.sync()
        seconds = daemon.ctr("images", "pull", "--plain-http", image)
        daemon.ctr("images", "rm", "--sync", image)
        return seconds

    yield setting.figure("pull", "s", 0.33, setting.alternate(once, 3))


def rpc(setting: Setting) -> Iterator[Figure]:
    """A call that reads the database, by our own client at both."""
    method = methods.Method(
        service="containerd.services.namespaces.v1.Namespaces",
        name="List",
        encode_request=bytes,
        decode_request=bytes,
        encode_response=bytes,
        decode_response=bytes,
    )

    def block(daemon: daemons.Daemon, _: int) -> float:
        took = []
        with client.Channel.connect(daemon.address, timeout=10) as channel:
            channel.call(method, b"")
            for _ in range(CALLS):
                began = time.perf_counter()
                channel.call(method, b"")
                took.append(time.perf_counter() - began)
        return statistics.median(took) * 1e6

    yield setting.figure("rpc p50", "us", 1.0, setting.alternate(block, BLOCKS))


def wire(setting: Setting) -> Iterator[Figure]:
    """Empty calls by h2load (nghttp2), one stream a connection."""
    program = shutil.which("h2load")
    if program is None:
        print("h2load is not installed: apt-get install nghttp2-client", file=sys.stderr)
        return
    empty = setting.work / "empty"
    empty.write_bytes(bytes(5))  # a gRPC message of no bytes

    def rate(daemon: daemons.Daemon, connections: int) -> float:
        words = [program, f"--clients={connections}", f"--requests={LOAD}", f"--data={empty}"]
        words += ["--header=content-type: application/grpc", "--header=te: trailers"]
        words += [
            f"--base-uri=unix:{daemon.address}",
            "http://localhost/containerd.services.version.v1.Version/Version",
        ]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        if f"{LOAD} succeeded" not in said:
            raise daemons.Failed(f"{daemon.name}: {said[-600:]}")
        return float(said.split("finished in ")[1].split(", ")[1].split(" ")[0])

    for connections in (1, 10, 100):
        found = setting.alternate(lambda daemon, _, count=connections: rate(daemon, count), 3)
        yield setting.figure(f"{connections} connections", "calls/s", 1.0, found)


def listing(setting: Setting) -> Iterator[Figure]:
    """`boxship ps` of five containers, beside podman's of what it has."""
    ours = setting.both[0]
    names = [f"l{number}" for number in range(5)]
    for name in names:
        ours.ctr("run", "-d", setting.small, name, "sleep", "1000")
    found, others = [], []
    podman = shutil.which("podman")
    for _ in range(setting.runs):
        found.append(ours.boxship(BOXSHIP, "ps") * 1e3)
        if podman:
            began = time.perf_counter()
            subprocess.run([podman, "ps"], check=True, capture_output=True)
            others.append((time.perf_counter() - began) * 1e3)
    ours.end_containers(names)
    medians = [statistics.median(each) for each in (found, others) if each]
    yield setting.figure("boxship ps", "ms", 0.6, medians)


SECTIONS: dict[str, Callable[[Setting], Iterator[Figure]]] = {
    "run": run,
    "parallel": parallel,
    "exec": execute,
    "memory": memories,
    "blobs": blobs,
    "pull": pull,
    "rpc": rpc,
    "wire": wire,
    "ps": listing,
}
