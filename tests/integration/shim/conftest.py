import contextlib
import pathlib
import tempfile

import pytest
from integration.shim import benches

from boxship.zygote import client as zygotes


@pytest.fixture(autouse=True)
def busybox():
    if not benches.BUSYBOX.exists():
        pytest.skip("needs a static /bin/busybox")


@pytest.fixture(scope="session")
def zygote():
    source = pathlib.Path(__file__).parents[3] / "src"
    made = zygotes.Zygote({"shim": "boxship.shim.run:run"}, path=[str(source), *zygotes._module_path()])
    yield made
    made.close()


@pytest.fixture
def folder():
    # Short, for sockets, and on a file system where bundles usually are.
    with tempfile.TemporaryDirectory(prefix="bx", dir="/run") as path:
        yield pathlib.Path(path)


@pytest.fixture
def listener(folder):
    made = benches.Listener(str(folder / "e"))
    yield made
    with contextlib.suppress(OSError):
        made.stop()
