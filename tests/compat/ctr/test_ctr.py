"""Every command of ctr gives the same against boxshipd as against containerd, or the difference is listed."""

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import compare
import steps

pytestmark = [pytest.mark.peer, pytest.mark.root, pytest.mark.slow]


@pytest.mark.parametrize("client", [steps.OLD, steps.NEW])
def test_same_as_the_original(client: str) -> None:
    needed = [compare.CLIENTS[client], compare.ORIGINALS[client], "runc", "docker-registry", "script"]
    missing = [name for name in needed if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing) or 'root'}")
    known = set((pathlib.Path(__file__).parent / "open.txt").read_text().split("\n"))
    different = _different(client) - known
    if different:  # what a busy machine changed once does not show twice
        different &= _different(client)
    assert different == set()


def _different(client: str) -> set[str]:
    with compare.session(client) as run:
        results = [run(step) for step in steps.all_steps(client)]
    compare.report(results)
    return {result.step.name for result in results if result.state == "DIFFERS"}
