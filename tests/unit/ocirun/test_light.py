"""What the room may load: names, not milliseconds."""

import subprocess
import sys

import pytest

HEAVY = {"pathlib", "logging", "subprocess", "argparse", "asyncio", "ssl", "hashlib", "shutil", "tempfile", "threading",
         "urllib", "http", "email", "google", "sqlite3", "click", "rich"}  # fmt: skip


@pytest.mark.parametrize(
    "modules",
    ["create, start, exec, kill, delete, update, container", "commandline", "commands.making", "commands.executing"],
)
def test_nothing_heavy_is_loaded(modules: str) -> None:
    source = "src"
    lines = "; ".join(f"import boxship.ocirun.{name.strip()}" for name in modules.split(","))
    code = f"import sys; sys.path.insert(0, {source!r}); {lines}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & HEAVY
