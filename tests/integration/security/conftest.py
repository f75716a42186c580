import os
import shutil

import pytest
from integration.system import engines


@pytest.fixture(scope="module")
def engine():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with engines.engine("security-tests") as made:
        yield made


@pytest.fixture(scope="module")
def image(engine):
    return engines.pull_busybox(engine)


@pytest.fixture(scope="module")
def client(engine):
    with engine.connect() as made:
        yield made


@pytest.fixture(scope="module")
def containerd():
    """The original, with the same image."""
    for program in ("containerd", "ctr", "runc"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    with engines.engine("security-peer", engines.CONTAINERD) as made:
        engines.pull_busybox(made)
        yield made
