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

NEEDED = ["containerd", "ctr", "runc", "docker-registry"]


def _new_client() -> str:
    return os.path.join(os.environ.get("BOXSHIP_PEERS", ""), "ctr") if os.environ.get("BOXSHIP_PEERS") else ""


@pytest.mark.parametrize("new", [False, True], ids=["ctr-of-debian", "ctr-2"])
def test_same_as_the_original(new: bool) -> None:
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing) or 'root'}")
    client = _new_client() if new else shutil.which("ctr") or "ctr"
    if new and not os.access(client, os.X_OK):
        pytest.skip("no ctr 2.x in $BOXSHIP_PEERS")
    with compare.session(client) as run:
        results = [run(step) for step in steps.all_steps(new=new)]
    compare.report(results, verbose=False)
    assert [result.step.name for result in results if not result.equal and not result.excuse] == []
