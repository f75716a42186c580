"""Our daemon with the original client on cgroup v2."""

import os
import pathlib
from collections.abc import Iterator

import pytest
from integration.system import engines

GROUPS = pathlib.Path("/sys/fs/cgroup/unified-tests")
COUNT = 20
MIB = 1 << 20


@pytest.fixture
def ear(engine: engines.Engine) -> Iterator[engines.Ear]:
    made = engines.Ear(engine)
    made.settle()
    yield made
    made.close()


def _ctr(engine: engines.Engine, *words: str, code: int = 0) -> str:
    done = engine.ctr(*words, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def _groups() -> set[str]:
    return set(os.listdir(GROUPS)) if GROUPS.exists() else set()


def test_twenty_containers(engine: engines.Engine, image: str) -> None:
    before = {name for name in _groups() if (GROUPS / name).is_dir()}
    for number in range(COUNT):
        done = engine.ctr(
            "run", "--rm", image, f"short{number}", "sh", "-c", f"echo {number}; exit {number}", timeout=120
        )
        assert (done.returncode, done.stdout.decode()) == (number, f"{number}\n"), done.stderr.decode()
    assert {name for name in _groups() if (GROUPS / name).is_dir()} == before


def test_life_of_one(engine: engines.Engine, image: str) -> None:
    _ctr(engine, "run", "-d", "--memory-limit", str(64 * MIB), "--cpus", "0.5", image, "long", "sleep", "1000")
    folder = GROUPS / "long"
    assert (folder / "memory.max").read_text() == f"{64 * MIB}\n"
    assert (folder / "cpu.max").read_text() == "50000 100000\n"
    metrics = _ctr(engine, "tasks", "metrics", "long")
    assert "memory.usage_limit" in metrics
    assert str(64 * MIB) in metrics
    assert "pids.current" in metrics
    _ctr(engine, "tasks", "pause", "long")
    assert "frozen 1" in (folder / "cgroup.events").read_text()
    assert "PAUSED" in _ctr(engine, "tasks", "list")
    _ctr(engine, "tasks", "resume", "long")
    assert "frozen 0" in (folder / "cgroup.events").read_text()
    # this client asks for no cgroup namespace
    said = _ctr(engine, "tasks", "exec", "--exec-id", "more", "long", "cat", "/proc/self/cgroup")
    assert said == "0::/unified-tests/long\n"
    _ctr(engine, "tasks", "kill", "-s", "SIGKILL", "--all", "long")
    engines.until(lambda: "STOPPED" in _ctr(engine, "tasks", "list"), "its end", 60)
    _ctr(engine, "tasks", "delete", "long")
    _ctr(engine, "containers", "delete", "long")
    assert not folder.exists()


def test_too_much_memory_is_an_event(engine: engines.Engine, image: str, ear: engines.Ear) -> None:
    script = "head -c 64m /dev/zero | tail; exit 5"
    _ctr(engine, "run", "--rm", "--memory-limit", str(16 * MIB), image, "greedy", "sh", "-c", script, code=5)
    ear.wait_for("/tasks/oom", "greedy")
    assert not (GROUPS / "greedy").exists()
