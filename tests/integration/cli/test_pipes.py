"""The command among others: standard input that ends, or never comes; output that nobody reads; signals."""

import signal
import subprocess

import pytest
from integration.cli import calls
from integration.system import engines


def shell(boxship, line, code=0):
    """A line of shell in which `boxship` is the command; gives what it wrote."""
    function = 'boxship() { "$PYTHON" -m boxship.cli.main "$@"; }\n'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", function + line],
        env={**boxship.environment, "PYTHON": calls.PROGRAM[0]},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done.stdout


def test_input_that_has_ended_already(boxship):
    assert shell(boxship, "boxship run --rm -i box cat </dev/null") == ""
    assert shell(boxship, "boxship run --rm -i box sh -c 'cat; echo end' <&-") == "end\n"
    assert shell(boxship, "boxship run --rm box echo unheard >&-") == ""
    assert shell(boxship, "true | boxship run --rm -i box sh -c 'cat; echo end'") == "end\n"


def test_input_through_a_pipe(boxship):
    assert shell(boxship, "echo x | boxship run --rm -i box cat") == "x\n"
    assert shell(boxship, "{ sleep 0.2; echo late; } | boxship run --rm -i box cat") == "late\n"
    assert shell(boxship, "head -c 3000000 /dev/zero | boxship run --rm -i box wc -c").strip() == "3000000"
    assert shell(boxship, "echo x | boxship run --rm box cat") == ""


def test_input_that_the_container_does_not_want(boxship):
    assert shell(boxship, "boxship run --rm -i box echo done </dev/zero") == "done\n"


def test_a_terminal_without_one_of_ours(boxship, running):
    """Where others refuse ("not a TTY"), as in a script that CI runs, the end of the input is the end."""
    assert shell(boxship, "echo line | boxship run --rm -it box cat") == "line\nline\n"
    assert shell(boxship, "printf 'no newline' | boxship run --rm -it box cat").endswith("no newline")
    assert shell(boxship, f"boxship exec -it {running} cat </dev/null") == ""
    assert "\n42\n" in shell(boxship, f"echo 'echo $((6 * 7))' | boxship exec -it {running} sh")


def test_between_two_others(boxship):
    assert shell(boxship, "seq 1 2000 | boxship run --rm -i box cat | tail -1") == "2000\n"


@pytest.mark.parametrize("program", ["yes", "seq 1 100000000"])
def test_output_that_nobody_reads_any_more_ends_it(boxship, program, name):
    said = shell(boxship, f"boxship run --rm --name {name} box {program} | head -1; exit 0")
    assert said in {"y\n", "1\n"}
    assert name not in boxship("ps", "-aq").lines


def test_a_command_that_nobody_reads_any_more_ends(boxship, running):
    assert shell(boxship, f"boxship exec {running} yes | head -1; exit 0") == "y\n"
    assert shell(boxship, f"boxship logs -f {running} | head -1; exit 0") == "ready\n"
    for listing in ("ps", "images", "content ls", "inspect box", "plugins ls --format json", "--help"):
        shell(boxship, f"boxship {listing} | true; exit 0")


def test_output_on_a_full_disk_is_told(boxship):
    assert shell(boxship, "boxship images >/dev/full", code=1) == ""


def test_bytes_and_letters_of_every_kind(boxship, name):
    said = boxship.process("run", "--rm", "-e", b"A=\xff", "box", "sh", "-c", 'printf "$A\\n$1"', "sh", b"\xfe\xc3\xbc")
    assert said.raw == b"\xff\n\xfe\xc3\xbc"
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    boxship.process(
        "run", "-d", "--name", name, "-l", "x=\u00fc", "box", "sh", "-c", "sleep 60 # \u00fc", environment=ascii_only
    )
    assert "sleep 60 # ?" in boxship.process("ps", environment=ascii_only).text
    assert "must be text, in UTF-8" in boxship.process("inspect", b"\xff", code=1).errors


def test_signals_reach_the_container(boxship, name):
    line = "trap 'echo got it; exit 7' TERM; echo ready; while true; do sleep 0.02; done"
    with boxship.start("run", "--name", name, "box", "sh", "-c", line, stdout=-1) as started:
        assert started.stdout.readline() == b"ready\n"
        started.send_signal(signal.SIGTERM)
        assert started.stdout.readline() == b"got it\n"
        assert started.wait(20) == 7


def test_whoever_interrupts_three_times_kills(boxship, name):
    line = "trap 'echo no' INT; echo ready; while true; do sleep 0.02; done"
    with boxship.start("run", "--rm", "--name", name, "box", "sh", "-c", line, stdout=-1, stderr=-1) as started:
        assert started.stdout.readline() == b"ready\n"
        for _ in range(2):
            started.send_signal(signal.SIGINT)
            assert started.stdout.readline() == b"no\n"
        started.send_signal(signal.SIGINT)
        assert started.wait(20) == 137
        assert b"killing it" in started.stderr.read()
    assert name not in boxship("ps", "-aq").lines


def test_one_whose_caller_is_killed_goes_on(boxship, name):
    with boxship.start("run", "--name", name, "box", "sleep", "60") as started:
        engines.until(lambda: name in boxship("ps", "-q").lines, "its start")
        started.kill()
    assert name in boxship("ps", "-q").lines


def test_ingesting_is_a_pipe(boxship):
    digest = shell(boxship, "echo -n some bytes | tr a-z A-Z | boxship content ingest pipe-1").strip()
    assert shell(boxship, f"boxship content get {digest} | cat") == "SOME BYTES"
    assert shell(boxship, "false | boxship content ingest pipe-2", code=1).startswith("sha256:e3b0c44298fc1c14")


def test_archives_are_pipes(boxship):
    said = shell(boxship, "boxship save box | boxship -n pipes load && boxship -n pipes run --rm box echo arrived")
    assert said == "docker.io/library/box:latest\narrived\n"
