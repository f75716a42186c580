"""Completion in real shells: a line is typed up to the key, and the command tells which words it got in the end."""

import functools
import os
import re
import shutil
import subprocess

import pytest
from integration.cli import calls, screens

SHELLS = ("bash", "zsh", "fish")
START = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
PROMPT = {"bash": "PS1='%s> '", "zsh": "PS1='%s> '", "fish": "function fish_prompt; echo -n '%s> '; end"}
LOAD = {
    "bash": "source <(boxship completion bash)",
    "zsh": "source <(boxship completion zsh)",
    "fish": "boxship completion fish | source",
}


@pytest.fixture
def program(tmp_path):
    """A folder with a `boxship` that completes as ours, and else tells its words."""
    script = tmp_path / "bin/boxship"
    script.parent.mkdir()
    script.write_text(
        f"""#!/bin/sh
        [ "$1" = completion ] || [ "$_BOXSHIP_COMPLETE" ] || {{ printf '<%s>' "$@" .; echo; exit; }}
        exec "{calls.PROGRAM[0]}" -m boxship.cli.main "$@"
        """
    )
    script.chmod(0o755)
    return script.parent


@pytest.fixture
def environment(boxship, program, tmp_path):
    return {**boxship.environment, "PATH": f"{program}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}


@pytest.fixture(params=SHELLS)
def shell(request):
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    return request.param


@pytest.fixture
def typing(shell, environment, tmp_path):
    """Somebody types a line, with the key for completion where it says so; gives the words that the command got."""
    (tmp_path / "some file").touch()
    start = functools.partial(calls.Started, START[shell], env=environment, cwd=tmp_path)
    at = screens.Screen(start, columns=200)
    at.type(f"{PROMPT[shell] % 'ready'}\n")
    at.until("ready> ")
    at.type(f"{LOAD[shell]}\n")
    at.until("ready> ")

    def words(line):
        at.type(f"{line}\n")
        found = at.until(r"((?:<[^<>\r\n]*>)+)<\.>")
        at.until("ready> ")
        return re.findall("<(.*?)>", found[1].decode())

    yield words
    at.close()


def test_a_script_is_of_its_shell(boxship, shell):
    script = boxship("completion", shell).text
    assert subprocess.run([shell, "-n"], input=script, text=True, check=False).returncode == 0
    assert "'tcsh' is not one of" in boxship("completion", "tcsh", code=2).errors


def test_typing(typing):
    assert typing("boxship imag\t") == ["images"]
    assert typing("boxship conten\tinge\tx") == ["content", "ingest", "x"]
    assert typing("boxship run --hostn\tx") == ["run", "--hostname", "x"]
    assert typing("boxship run --network ho\t") == ["run", "--network", "host"]


def test_typing_behind_a_sign_that_ends_words_in_bash(typing):
    assert typing("boxship run --network=ho\t") == ["run", "--network=host"]
    assert typing("boxship rmi box:l\t") == ["rmi", "box:latest"]
    assert typing("boxship rmi box:\t") == ["rmi", "box:latest"]
    assert typing("boxship rmi 'box:l\t") == ["rmi", "box:latest"]
    assert typing("boxship -a /no/such:socket imag\t") == ["-a", "/no/such:socket", "images"]


def test_typing_names(typing, running):
    assert typing(f"boxship stop {running[:-2]}\t") == ["stop", running]
    assert typing(f"boxship exec {running[:-2]}\tls") == ["exec", running, "ls"]


def test_typing_files(typing):
    assert typing("boxship load -i some\t") == ["load", "-i", "some file"]
    assert typing("boxship run --env-file some\t") == ["run", "--env-file", "some file"]


@pytest.fixture
def complete(environment, boxship, tmp_path):
    """What bash would offer behind these words."""
    script = tmp_path / "script"
    script.write_text(boxship("completion", "bash").text)

    def offered(*words):
        ask = 'COMP_LINE=$2; COMP_POINT=${#2}; _boxship boxship "${2##*[ :=]}"'
        done = subprocess.run(
            ["bash", "-c", f'source "$1"; {ask}; printf "%s\\n" "${{COMPREPLY[@]}}"', "bash", script, " ".join(words)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert done.stderr == ""
        return set(done.stdout.split())

    return offered


def test_offers_of_commands_and_options(complete):
    assert {"run", "rm", "rmi"} <= complete("boxship", "r")
    assert "ps" not in complete("boxship", "r")
    assert {"--name", "--network"} <= complete("boxship", "run", "--n")
    assert complete("boxship", "run", "--network", "") == {"none", "host"}
    assert complete("boxship", "run", "--network=") == {"none", "host"}
    assert {"SIGTERM", "SIGTSTP", "SIGTTIN"} <= complete("boxship", "kill", "-s", "sigt")
    assert "ingest" in complete("boxship", "content", "i")
    assert complete("boxship", "nonsense", "") == set()


def test_offers_of_names(complete, running):
    assert running in complete("boxship", "exec", "t-")
    assert running in complete("boxship", "stop", "")
    assert running not in complete("boxship", "stop", running, "")
    assert "box:latest" in complete("boxship", "run", "bo")
    assert "latest" in complete("boxship", "rmi", "box:")
    assert {running, "box:latest"} <= complete("boxship", "inspect", "")


def test_offers_start_no_daemon(complete, environment, monkeypatch):
    monkeypatch.setitem(environment, "BOXSHIP_ADDRESS", "/no/such.sock")
    assert complete("boxship", "stop", "") == set()
