"""What `import boxship` gives."""

import ast
import pathlib
import subprocess
import sys

import pytest

import boxship
from boxship.terms import errors

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_every_public_name_is_there():
    assert dir(boxship) == sorted(boxship.__all__)
    for name in boxship.__all__:
        assert getattr(boxship, name) is not None
    assert boxship.errors is errors
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = boxship.nonsense


def test_the_stub_names_the_same():
    tree = ast.parse((ROOT / "src/boxship/__init__.pyi").read_text())
    imported = {
        alias.asname or alias.name
        for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }  # fmt: skip
    assert imported | {"__version__"} == set(boxship.__all__)


def test_it_loads_nothing_by_itself():
    script = "import sys; before = set(sys.modules); import boxship; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["boxship"]


@pytest.mark.slow
def test_the_examples_are_typed(tmp_path):
    cache = ROOT / ".mypy_cache/examples"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "examples"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
