import io
import os
import secrets
import tarfile

import pytest
from integration.cli import calls
from integration.client import pictures
from integration.system import engines

from boxship.testing import registry

MORE = ("stty", "wc", "yes", "touch", "cut", "grep", "kill", "nproc", "printf", "test", "ps", "df")
CONFIG = {"Cmd": ["echo", "from the image"], "Env": ["PATH=/bin"], "StopSignal": "SIGUSR1", "Labels": {"kept": "yes"}}


def pytest_collection_modifyitems(items):
    for item in items:
        if "integration/cli" in str(item.path):
            item.add_marker(pytest.mark.root)
            item.add_marker(pytest.mark.slow)


def more_commands():
    """A second layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in MORE:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def engine():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with engines.engine("cli-tests") as made:
        yield made


@pytest.fixture(scope="session")
def remote():
    with registry.Registry() as made:
        made.push_image("test/busybox", "v1", [pictures.layer(), more_commands()], CONFIG)
        yield made


@pytest.fixture(scope="session")
def reference(remote):
    return f"{remote.host}/test/busybox:v1"


@pytest.fixture(scope="session")
def boxship(engine, reference):
    """The command, with an image called `box` in its namespace."""
    made = calls.Boxship(engine.address, engine.namespace)
    made("pull", reference)
    made("tag", reference, "box")
    return made


@pytest.fixture
def name(boxship):
    """Of a container, which is gone afterwards."""
    made = f"t-{secrets.token_hex(4)}"
    yield made
    boxship("rm", "-f", made, code=None)


@pytest.fixture
def running(boxship, name):
    """The name of a container that runs, says `ready`, and ends with 3 on SIGUSR1."""
    script = "trap 'echo bye; exit 3' USR1; echo ready; while true; do sleep 0.02; done"
    boxship("run", "-d", "--name", name, "-l", "role=web", "-e", "COLOR=blue", "box", "sh", "-c", script)
    engines.until(lambda: "ready" in boxship("logs", name).text, "the first word")
    return name
