import json
import subprocess
import sys

HEAVY = ["asyncio", "ssl", "urllib3", "tomllib", "zstandard", "isal", "http", "email", "logging", "sqlite3", "google"]


def test_importing_the_room_is_cheap():
    program = (
        "import importlib, json, pkgutil, sys, boxship.remotes as room\n"
        "for each in pkgutil.iter_modules(room.__path__): importlib.import_module(f'boxship.remotes.{each.name}')\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": "src"}
    )
    assert json.loads(done.stdout) == []
