"""The contracts of [tool.importlinter] hold, and a forgetful person meets them here."""

import os
import subprocess
import sys

import pytest
from architecture import rooms


@pytest.mark.slow
def test_imports_point_down_only():
    if missing := rooms.planned() - rooms.present():
        pytest.skip(f"rooms not written yet: {', '.join(sorted(missing))}")
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=rooms.ROOT,
        env=os.environ | {"PYTHONPATH": str(rooms.SOURCE.parent)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_room_has_its_floor():
    """import-linter's `exhaustive` says the same, but only once all floors are there."""
    floors = next(c for c in rooms.PYPROJECT["tool"]["importlinter"]["contracts"] if c["id"] == "floors")["layers"]
    names = {name.strip(" ()") for layer in floors for name in layer.split("|")}
    assert rooms.present() <= names
