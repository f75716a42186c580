"""What is measured: one function per section, which gives figures by daemon."""

import concurrent.futures
import hashlib
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import places

from boxship.api import namespaces_pb2
from boxship.rpc import client as rpc
from boxship.testing import registry
from boxship.wire import methods

Figures = dict[str, float]
Daemons = Sequence[places.Daemon]
Found = Iterator[tuple[str, Figures]]


def taking_turns(daemons: Daemons, runs: int, once: Callable[[places.Daemon, int], float]) -> Figures:
    """The median of several runs, after one that does not count."""
    taken: dict[str, list[float]] = {daemon.name: [] for daemon in daemons}
    for number in range(runs + 1):
        for daemon in daemons:
            taken[daemon.name].append(once(daemon, number))
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def run(daemons: Daemons, image: str, runs: int) -> Found:
    yield (
        "run, ms",
        taking_turns(
            daemons, runs, lambda each, n: 1e3 * timed(lambda: each.run("run", "--rm", image, f"r{n}", "true"))
        ),
    )


def parallel(daemons: Daemons, image: str, runs: int) -> Found:
    def fifty(daemon: places.Daemon, number: int) -> float:
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            names = [f"p{number}-{place}" for place in range(50)]
            return timed(lambda: list(pool.map(lambda name: daemon.run("run", "--rm", image, name, "true"), names)))

    yield "50 by 10 clients, s", taking_turns(daemons, max(1, runs // 5), fifty)


def memory(daemons: Daemons, image: str, _runs: int) -> Found:
    idle = {daemon.name: float(sum(map(places.memory, daemon.pids))) for daemon in daemons}
    yield "idle daemon, KiB", idle
    each: Figures = {}
    for daemon in daemons:
        before = places.processes()
        names = [f"m{number}" for number in range(20)]
        for name in names:
            daemon.run("run", "-d", image, name, "sleep", "1000")
        time.sleep(1)
        new = places.processes() - before
        shims = [pid for pid in new if places.command_line(pid) and "sleep 1000" not in places.command_line(pid)]
        each[daemon.name] = sum(map(places.memory, shims)) / len(names)
        _remove(daemon, names)
    yield "per container, KiB", each


def _remove(daemon: places.Daemon, names: Sequence[str]) -> None:
    for name in names:
        daemon.run("tasks", "kill", "-s", "SIGKILL", name)
    for name in names:
        for _ in range(100):
            if daemon.run("tasks", "rm", name, check=False).returncode == 0:
                break
            time.sleep(0.05)
        daemon.run("containers", "rm", name)


def content(daemons: Daemons, _image: str, runs: int) -> Found:
    size = 256
    blob = daemons[0].home.parent / "blob"
    digest = hashlib.sha256()
    with blob.open("wb") as file:
        for _ in range(size):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            file.write(piece)
    name = f"sha256:{digest.hexdigest()}"

    def ingest(daemon: places.Daemon, number: int) -> float:
        daemon.run("content", "rm", name, check=False)
        with blob.open("rb") as file:
            return size / timed(lambda: daemon.run("content", "ingest", f"b{number}", stdin=file))

    few = max(1, runs // 5)
    yield "ingest, MiB/s", taking_turns(daemons, few, ingest)
    yield (
        "read, MiB/s",
        taking_turns(daemons, few, lambda each, _: size / timed(lambda: each.run("content", "get", name))),
    )


def calls(daemons: Daemons, _image: str, _runs: int) -> Found:
    method = methods.of(namespaces_pb2.DESCRIPTOR.services_by_name["Namespaces"])["List"]
    request = namespaces_pb2.ListNamespacesRequest()
    taken: Figures = {}
    for daemon in daemons:
        with rpc.Channel.connect(f"unix://{daemon.socket}", timeout=5) as channel:
            spans = [timed(lambda: channel.call(method, request)) for _ in range(2000)]
        taken[daemon.name] = 1e6 * statistics.median(spans[200:])
    yield "unary call, us", taken


def pull(daemons: Daemons, _image: str, runs: int) -> Found:
    with registry.Registry(str(daemons[0].home.parent / "registry")) as served:
        served.push_image("bench/usr", "1", _layers(), {"Cmd": ["true"]})
        name = f"{served.host}/bench/usr:1"

        def once(daemon: places.Daemon, _number: int) -> float:
            os.sync()
            span = timed(lambda: daemon.run("images", "pull", "--plain-http", name))
            daemon.run("images", "rm", "--sync", name)
            return span

        yield "pull five layers, s", taking_turns(daemons, max(1, runs // 5), once)


def _layers(count: int = 5, size: int = 40 << 20) -> list[bytes]:
    """Layers of this machine's own files, packed with gzip."""
    import gzip

    from boxship.core import tar, tar_output

    files = sorted(path for path in pathlib.Path("/usr").rglob("*") if path.is_file() and not path.is_symlink())
    layers = []
    for part in range(count):
        pieces, total = [], 0
        for path in files[part :: count * 3]:
            data = path.read_bytes() if path.stat().st_size < 4 << 20 else b""
            entry = tar.Entry(tar.Kind.FILE, str(path)[1:].encode(), size=len(data), mode=0o644)
            pieces += [tar_output.header(entry), data, tar_output.padding(len(data))]
            total += len(data)
            if total > size:
                break
        layers.append(gzip.compress(b"".join(pieces) + tar_output.END, 3, mtime=0))
    return layers


SECTIONS: dict[str, Callable[[Daemons, str, int], Found]] = {
    "run": run,
    "parallel": parallel,
    "memory": memory,
    "content": content,
    "calls": calls,
    "pull": pull,
}

GOALS = {
    "run, ms": 0.33,
    "50 by 10 clients, s": 0.33,
    "idle daemon, KiB": 0.8,
    "per container, KiB": 0.40,
    "ingest, MiB/s": 2.0,
    "read, MiB/s": 2.0,
    "unary call, us": 1.0,
    "pull five layers, s": 0.33,
}
