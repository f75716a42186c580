import subprocess
import sys

import pytest

import boxship
from boxship.daemon import main

NOT_IN_A_DAEMON = {
    "argparse", "ast", "asyncio", "bz2", "email", "hashlib", "http", "isal", "lzma", "random", "rich", "ssl",
    "shutil", "tempfile", "urllib3", "uuid", "zstandard",
}  # fmt: skip
"""What an idle daemon must not have in memory: together 10 MB."""

START = """
import sys
from boxship.daemon import main
main.main(["--config", "/dev/null/none"])
from boxship.daemon import builtins, commands, engine
for part in builtins.BUILTINS:
    part.load()
print(*sys.modules)
"""


def test_a_plain_start_needs_no_parser():
    assert main.plain(["-c", "a", "--root=b", "--state", "c", "-a", "d", "-l", "debug"]) == {
        "config": "a",
        "root": "b",
        "state": "c",
        "address": "d",
        "log_level": "debug",
    }
    assert main.plain([]) == {}


@pytest.mark.parametrize(
    "line", [["config", "dump"], ["-h"], ["--roots", "x"], ["-c"], ["-c", "-l"], ["--version"], ["x"]]
)
def test_anything_else_does(line):
    assert main.plain(line) is None


def test_the_parser_says_the_same(capsys):
    assert main._parsed(["-c", "a", "--root=b", "config", "dump"]) == {"config": "a", "root": "b", "command": "dump"}
    with pytest.raises(SystemExit):
        main._parsed(["--version"])
    assert capsys.readouterr().out == f"boxshipd {boxship.__version__}\n"


def test_a_module_that_is_put_off_is_there_when_it_is_looked_into():
    source = (
        "import sys; from boxship.daemon import main; main._defer('calendar'); import calendar;"
        "kind = type(calendar).__name__; print(kind, calendar.timegm((1970, 1, 1, 0, 0, 1)), type(calendar).__name__)"
    )
    assert isolated(source) == "_Deferred 1 module\n"


def test_threads_that_look_into_it_at_once_find_all_of_it():
    source = """
import sys, threading
from boxship.daemon import main
sys.setswitchinterval(1e-6)
main._defer("inspect")
import inspect
found, begin = [], threading.Barrier(8)
def look():
    begin.wait()
    found.append(str(inspect.signature(lambda a, b=1: None)))
threads = [threading.Thread(target=look) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
print(set(found), len(found))
"""
    assert isolated(source) == "{'(a, b=1)'} 8\n"


@pytest.mark.slow
def test_all_parts_of_a_daemon_stay_light():
    assert NOT_IN_A_DAEMON.intersection(isolated(START).split()) == set()


def isolated(source):
    path = "import sys; sys.path[:] = " + repr(sys.path) + "\n"
    command = [sys.executable, "-I", "-S", "-c", path + source]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
