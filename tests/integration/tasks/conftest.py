import contextlib
import os
import pathlib
import tempfile

import pytest
from integration.tasks import worlds

from boxship.terms import errors


@pytest.fixture(autouse=True)
def busybox():
    if not os.path.exists(worlds.BUSYBOX):
        pytest.skip("needs a static /bin/busybox")


@pytest.fixture
def world():
    with tempfile.TemporaryDirectory(prefix="bx", dir="/run") as path:
        made = worlds.World(pathlib.Path(path))
        yield made
        for task in made.service.running("tests"):
            with contextlib.suppress(errors.NotFound):  # it has ended
                made.tasks.kill(task.id, signal=9, all=True)
            made.tasks.wait(task.id).result(10)
            made.tasks.delete(task.id)
        made.stop()
