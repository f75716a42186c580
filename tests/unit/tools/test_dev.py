"""The script that newcomers meet first, on machines that lack this and that."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NEEDED = ("sh", "dirname", "sha256sum", "cat", "tail", "rm", "flock", "id")
PYTHON_WITHOUT_VENV = f"""#!/bin/sh
case "$*" in *ensurepip*) exit 1 ;; esac
exec {sys.executable} "$@"
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of what ./dev reads, whose locks name nothing, and a PATH with little on it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tools").mkdir()
    for name in ("dev", "pyproject.toml", "tools/link.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).write_text("")
    for name in NEEDED:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return tmp_path


def program(checkout, name, text):
    path = checkout / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def dev(checkout, *arguments, **environment):
    return subprocess.run(
        [checkout / "dev", *arguments],
        env={"PATH": str(checkout / "bin"), "PYTHON": sys.executable, "HOME": "/nowhere", **environment},
        check=False,
        capture_output=True,
        text=True,
    )


def test_help_needs_nothing(checkout):
    run = dev(checkout, "help")
    assert run.returncode == 0
    assert run.stdout.startswith("usage: ./dev COMMAND")
    assert not (checkout / ".venv").exists()


def test_help_names_every_command(checkout):
    script = (ROOT / "dev").read_text()
    commands = [line[:-1] for line in script.splitlines() if line.endswith(")") and line[:-1].isalpha()]
    assert len(commands) > 8
    text = dev(checkout, "help").stdout
    assert [name for name in commands if f"\n  {name} " not in text] == []


def test_an_unknown_command_is_refused(checkout):
    run = dev(checkout, "fly")
    assert run.returncode == 2
    assert "unknown command: fly" in run.stderr


def test_who_may_not_install_reads_what_to_type(checkout):
    program(checkout, "id", "#!/bin/sh\necho 1000\n")
    python = program(checkout, "python3", PYTHON_WITHOUT_VENV)
    run = dev(checkout, "setup", PYTHON=str(python))
    assert run.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert run.stderr == (
        f"dev: {python} has no venv module. On Debian and Ubuntu, as root: apt-get install python{version}-venv\n"
    )


@pytest.mark.slow
def test_root_gets_the_missing_module_installed(checkout):
    program(checkout, "id", "#!/bin/sh\necho 0\n")
    python = program(checkout, "python3", PYTHON_WITHOUT_VENV)
    # After "installing" there is a Python with the module.
    program(
        checkout,
        "apt-get",
        f'#!/bin/sh\necho "$*" >>{checkout}/asked\nrm {python}\nln=/bin/ln; $ln -s {sys.executable} {python}\n',
    )
    run = dev(checkout, "setup", PYTHON=str(python))
    assert "has no venv module; installing python3" in run.stderr
    asked = (checkout / "asked").read_text()
    assert asked.startswith("install --yes --quiet --no-install-recommends python3")
    assert "making .venv with" in run.stderr


@pytest.mark.slow
def test_the_second_start_does_nothing_and_a_change_is_noticed(checkout):
    first = dev(checkout, "setup")
    assert first.returncode == 0, first.stderr
    assert "making .venv" in first.stderr
    for name in ("boxship", "boxshipd", "boxship-oci", "containerd-shim-boxship-v1"):
        assert os.access(checkout / ".venv" / "bin" / name, os.X_OK)
    assert dev(checkout, "setup").stderr == ""

    with (checkout / "requirements-dev.lock").open("a") as file:
        file.write("# another\n")
    assert "installing" in dev(checkout, "setup").stderr
    assert dev(checkout, "setup").stderr == ""


@pytest.mark.slow
def test_a_checkout_that_moved_gets_a_new_environment(checkout, tmp_path_factory):
    assert dev(checkout, "setup").returncode == 0
    moved = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.copytree(checkout, moved, symlinks=True)
    run = dev(moved, "setup")
    assert run.returncode == 0, run.stderr
    assert "making .venv" in run.stderr
    assert str(moved) in (moved / ".venv" / "bin" / "boxship").read_text()


def test_a_tool_that_is_not_there_is_named(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    state = subprocess.run(
        ["sha256sum", "pyproject.toml", "requirements.lock", "requirements-dev.lock", "tools/link.py"],
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (checkout / ".venv" / ".state").write_text(f"{state}{checkout}\n")
    run = dev(checkout, "bench")
    assert run.returncode == 1
    assert run.stderr == "dev: bench/versus.py is not in this checkout\n"
