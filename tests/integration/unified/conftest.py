"""What only a machine with pure cgroup v2 shows: `./dev machine`."""

import os
import pathlib
import shutil
from collections.abc import Iterator

import pytest
from integration.ocirun import conftest as bundles
from integration.system import engines
from integration.unified import runc as original

from boxship.linux import cgrouptree


@pytest.fixture(autouse=True)
def _unified() -> None:
    if cgrouptree.tree().version == 2:
        return
    if os.environ.get("BOXSHIP_MACHINE"):
        pytest.fail("the machine for cgroup version 2 has none")
    pytest.skip("needs cgroup version 2 (./dev machine has it)")


@pytest.fixture
def bundle(tmp_path: pathlib.Path) -> bundles.Bundle:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not os.path.exists(bundles.BUSYBOX):
        pytest.skip("needs a static /bin/busybox")
    return bundles.Bundle(tmp_path)


@pytest.fixture
def runc(bundle: bundles.Bundle) -> Iterator[original.Runc]:
    if shutil.which("runc") is None:
        pytest.skip("needs runc")
    made = original.Runc(bundle)
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[engines.Engine]:
    if os.geteuid() != 0 or cgrouptree.tree().version != 2:
        pytest.skip("needs root, and cgroup version 2 (./dev machine has it)")
    if shutil.which("ctr") is None:
        pytest.skip("needs ctr")
    with engines.engine("unified-tests") as made:
        yield made


@pytest.fixture(scope="module")
def image(engine: engines.Engine) -> str:
    return engines.pull_busybox(engine)
