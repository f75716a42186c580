"""The client at the real containerd: it must not know the difference."""

import shutil
import subprocess
import time

import pytest
from integration.client import scenes

import boxship
from boxship.terms import errors

pytestmark = [pytest.mark.root, pytest.mark.peer, pytest.mark.slow]

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


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The socket of a containerd on a private root."""
    program = shutil.which("containerd")
    if program is None:
        pytest.skip("needs containerd")
    home = tmp_path_factory.mktemp("containerd")
    (home / "config.toml").write_text(CONFIG.format(home=home))
    with (home / "log").open("wb") as log:
        daemon = subprocess.Popen([program, "-c", str(home / "config.toml")], stdout=log, stderr=log)
    try:
        yield f"unix://{home}/c.sock"
    finally:
        daemon.terminate()
        daemon.wait(20)


@pytest.fixture(scope="module")
def client(address):
    deadline = time.monotonic() + 20
    while True:
        try:
            made = boxship.connect(address, namespace="client-scenes")
            made.version()
            break
        except errors.Unavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with made:
        yield made


class TestContainerd(scenes.Scenes):
    """All of it."""
