"""What the tests of this folder know of the tree."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "src" / "boxship"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def planned() -> set[str]:
    """The rooms that the floors in pyproject.toml name; those in parentheses may be missing."""
    (floors,) = (c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["id"] == "floors")
    names = (name.strip() for layer in floors["layers"] for name in layer.split("|"))
    return {name for name in names if not name.startswith("(")}


def present() -> set[str]:
    return {path.parent.name for path in SOURCE.glob("*/__init__.py")}


def need(module: str) -> None:
    """Skip the test when a module is not written yet."""
    if not (SOURCE.parent / (module.replace(".", "/") + ".py")).exists():
        pytest.skip(f"{module} is not written yet")


def loaded(program: str) -> set[str]:
    """The modules in memory after a program has run in a fresh interpreter that sees the sources and the libraries."""
    paths = [str(SOURCE.parent), str(Path(importlib.util.find_spec("pytest").origin).parent.parent)]
    report = (
        f"import sys; sys.path[:0] = {paths!r}\n"
        f"try:\n  exec({program!r})\nexcept SystemExit: pass\n"
        "print('\\nLOADED', *sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", report], cwd="/", check=False, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.rsplit("LOADED", 1)[1].split())


def within(modules: set[str], packages: set[str]) -> set[str]:
    """Those modules which are, or lie in, one of the packages."""
    return {m for m in modules if any(m == p or m.startswith(f"{p}.") for p in packages)}
