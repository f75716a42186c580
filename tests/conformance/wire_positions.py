"""Where the suites are run over the wire: an embedded engine, our daemon, the original daemon."""

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boxship.daemon import engine
from boxship.proxies import callers
from boxship.proxies._sync import images, leases, namespaces
from boxship.rpc import client
from boxship.terms import errors

_numbers = itertools.count()


def fresh_name() -> str:
    return f"suite{os.getpid()}-{next(_numbers)}"


@contextmanager
def embedded(folder: Path) -> Iterator[client.Channel]:
    with engine.embed(folder / "root", folder / "state") as made, client.Channel(made.connect()) as channel:
        yield channel


@contextmanager
def daemon(command: list[str], folder: Path) -> Iterator[client.Channel]:
    """A daemon of its own, until the end of the block."""
    address = folder / "d.sock"
    config = folder / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{address}"\n[ttrpc]\naddress = "{address}.ttrpc"\n'
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "-c", str(config)], stdout=log, stderr=log)
    try:
        channel = _connected(address, process, folder / "log")
        with channel:
            yield channel
    finally:
        process.terminate()
        process.wait(20)


def _connected(address: Path, process: "subprocess.Popen[bytes]", log: Path) -> client.Channel:
    deadline = time.monotonic() + 20
    while True:
        try:
            channel = client.Channel.connect(str(address), timeout=5)
            list(namespaces.NamespacesProxy(callers.Caller(channel, timeout=5)).walk())
        except (OSError, errors.Error):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the daemon does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        else:
            return channel


POSITIONS = [
    "embedded",
    pytest.param("boxshipd", marks=pytest.mark.slow),
    pytest.param(
        "containerd",
        marks=[pytest.mark.peer, pytest.mark.skipif(not shutil.which("containerd"), reason="needs containerd")],
    ),
]


@contextmanager
def position(name: str, folder: Path) -> Iterator[client.Channel]:
    if name == "embedded":
        context = embedded(folder)
    elif name == "boxshipd":
        context = daemon([sys.executable, "-m", "boxship.daemon.main"], folder)
    else:
        context = daemon(["containerd"], folder)
    with context as channel:
        yield channel


def empty(channel: client.Channel) -> None:
    """Throw away every namespace with what the plain suites leave in it."""
    everywhere = callers.Caller(channel)
    store = namespaces.NamespacesProxy(everywhere)
    for info in list(store.walk()):
        caller = everywhere.bind(info.name)
        for image in images.ImagesProxy(caller).list():
            images.ImagesProxy(caller).delete(image.name)
        for lease in leases.LeasesProxy(caller).list():
            leases.LeasesProxy(caller).delete(lease.id)
        store.delete(info.name)
