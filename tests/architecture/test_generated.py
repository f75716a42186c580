"""src/boxship/api is what proto/ says, and each sync twin what its async half says."""

import os
import subprocess
import sys

import pytest
from architecture import rooms


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["gen", "unasync"])
def test_generated_modules_are_fresh(tool):
    run = subprocess.run(
        [sys.executable, f"tools/{tool}.py", "--check"],
        cwd=rooms.ROOT,
        env=os.environ | {"PYTHONPATH": str(rooms.SOURCE.parent)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_a_change_of_a_proto_is_noticed(tmp_path):
    for name in ("proto", "tools", "src/boxship/api"):
        (tmp_path / name).mkdir(parents=True)
        for file in (rooms.ROOT / name).iterdir():
            if file.is_file():
                (tmp_path / name / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "proto" / "version.proto").open("a") as file:
        file.write("message Another {}\n")
    run = subprocess.run(
        [sys.executable, "tools/gen.py", "--check"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "stale in src/boxship/api: version_pb2.py, version_pb2.pyi; ./dev gen writes them" in run.stderr


def test_every_proto_has_its_module_and_no_module_is_left_over():
    protos = {path.stem for path in (rooms.ROOT / "proto").glob("*.proto")}
    modules = {path.stem.removesuffix("_pb2") for path in (rooms.SOURCE / "api").glob("*_pb2.py")}
    assert protos == modules
