"""The daemon that a command starts, and the ones about it; and what the command says without one, or without rights.

The usual folders are private here: a mount namespace hides this machine's /run, /var/lib and /var/log.
"""

import os
import re
import select
import shutil
import subprocess

import pytest
from integration.cli import calls
from integration.system import engines

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PRIVATE = """
for folder in /run /var/lib /var/log; do mount -t tmpfs private $folder; chmod 755 $folder; done
unset BOXSHIP_ADDRESS BOXSHIP_NAMESPACE CONTAINERD_ADDRESS
boxship() { "$PYTHON" -m boxship.cli.main "$@"; }
trap 'boxship daemon stop >/dev/null 2>&1' EXIT
"""


@pytest.fixture
def private():
    """Run a script where no daemon runs yet and all folders are empty; gives its output, with errors in it."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")

    def run(script):
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", PRIVATE + script],
            env={**os.environ, "PYTHON": calls.PROGRAM[0]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=50,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout[-4000:]
        return done.stdout

    return run


def test_the_first_command_starts_one_and_says_so(private):
    said = private("boxship ps; boxship ps -q; boxship daemon status; ls -l /var/log/boxship")
    lines = said.splitlines()
    assert lines[0] == "boxship: no daemon is running, starting one"
    assert lines[1].split() == ["NAME", "IMAGE", "COMMAND", "CREATED", "STATUS"]
    assert lines[2] == "a daemon listens on /run/boxship/boxship.sock"
    assert re.search(r"^-rw------- .* boxshipd.log$", said, re.MULTILINE)


def test_two_at_once_share_one(private):
    said = private(
        "boxship ps -q & boxship ps -q & wait; boxship daemon stop; sleep 0.5; boxship daemon status; echo $?"
    )
    assert said.splitlines()[-2:] == ["no daemon listens on /run/boxship/boxship.sock", "3"]
    assert re.search(r"^daemon \d+ stopped$", said, re.MULTILINE)


def test_start_and_stop(private):
    said = private("""
        boxship daemon status; echo $?; boxship daemon stop; echo $?
        boxship daemon start --log /var/log/mine/x.log; echo $?; boxship daemon start; echo $?; test -s /var/log/mine/x.log; echo $?
        boxship daemon stop; echo $?; boxship daemon status; echo $?
    """)
    where = "/run/boxship/boxship.sock"
    assert re.sub(r"daemon \d+", "daemon N", said).splitlines() == [
        f"no daemon listens on {where}", "3", f"no daemon listens on {where}", "0",
        f"daemon N listens on {where}", "0", f"a daemon listens on {where} already", "0", "0",
        "daemon N stopped", "0", f"no daemon listens on {where}", "3",
    ]  # fmt: skip


def test_containers_go_on_without_it(private, tmp_path, boxship):
    boxship("save", "-o", str(tmp_path / "box.tar"), "box")
    said = private(f"""
        boxship -n cli-tests-private load -i {tmp_path}/box.tar >/dev/null
        boxship -n cli-tests-private run -d --rm --name survivor box sleep 60
        boxship daemon stop >/dev/null; boxship daemon start >/dev/null
        boxship -n cli-tests-private ps -q
        boxship -n cli-tests-private kill survivor >/dev/null
        for i in $(seq 100); do boxship -n cli-tests-private ps -aq | grep -q . || break; sleep 0.1; done
        boxship -n cli-tests-private ps -aq; echo gone
    """)
    assert said.splitlines()[-3:] == ["survivor", "survivor", "gone"]


def test_who_stays_with_a_container_survives_the_daemon(engine, boxship, name):
    """Output goes on, the exit code comes, signals arrive: all through another daemon than that which began it."""
    line = "trap 'echo told; exit 4' TERM; echo ready; while true; do sleep 0.02; done"
    with boxship.start("run", "--name", name, "box", "sh", "-c", line, stdout=-1, stderr=-1) as running:
        assert running.stdout.readline() == b"ready\n"
        with (
            boxship.start("wait", name, stdout=-1, stderr=-1) as waiting,
            boxship.start("logs", "-f", name, stdout=-1, stderr=-1) as following,
        ):
            assert following.stdout.readline() == b"ready\n"
            engines.until(lambda: _waits(waiting.pid), "the question of `wait`")
            engine.kill()
            for each in (running, waiting):
                assert b"waiting for another daemon" in each.stderr.readline()
            assert following.wait(20) == 1
            assert b"boxship: the daemon has gone away" in following.stderr.read()
            engine.start()
            engines.until(lambda: name in boxship("ps", "-q", code=None).lines, "the container's return")

            def told():
                running.send_signal(15)
                return select.select([running.stdout], [], [], 0.2)[0]

            engines.until(told, "an answer to the signal")
            assert running.stdout.readline() == b"told\n"
            assert running.wait(20) == 4
            assert waiting.wait(20) == 0, waiting.stderr.read()
            assert waiting.stdout.read() == b"4\n"


def _waits(pid):
    """Whether a process is connected to a daemon, and so has asked."""
    return any("socket:" in os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd"))


def test_one_that_cannot_start_says_why(private):
    said = private("echo > /var/lib/boxship; boxship ps; echo $?")
    assert said.splitlines()[0] == "boxship: no daemon is running, starting one"
    assert said.splitlines()[-1] == "1"
    assert "the daemon did not start; /var/log/boxship/boxshipd.log says:" in said
    assert "/var/lib/boxship" in said.splitlines()[-2]


def test_who_is_not_root_is_told(private):
    said = private("""
        nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$PYTHON" -m boxship.cli.main "$@"; }
        nobody --version || { echo unreadable; exit; }
        nobody ps; echo $?
        boxship daemon start >/dev/null
        nobody ps; echo $?
    """)
    if "unreadable" in said:
        pytest.skip("this checkout is not for others to read")
    where = "/run/boxship/boxship.sock"
    assert said.splitlines()[1:] == [
        f"boxship: no daemon listens on {where}, and only root can start one: use sudo", "1",
        f"boxship: connect to {where}: Permission denied; run this as root", "1",
    ]  # fmt: skip


def test_another_address_is_not_started(boxship):
    said = boxship("-a", "/no/such.sock", "ps", code=1)
    assert said.errors.startswith("boxship: no daemon answers at /no/such.sock (No such file or directory): ")
    assert "boxship daemon start" in said.errors
    assert len(said.errors.splitlines()) == 1
    assert "Connection refused" in boxship("-a", "tcp://127.0.0.1:1", "ps", code=1).errors
    assert "where it runs" in boxship("-a", "tcp://127.0.0.1:1", "daemon", "start", code=1).errors
    assert "it must look like /path" in boxship("-a", "tcp://nonsense", "ps", code=1).errors


def test_running_it_here(tmp_path, boxship):
    command = boxship.start("daemon", "run", "config", "default", stdout=subprocess.PIPE)
    assert b"[plugins" in command.communicate(timeout=20)[0]
    assert command.returncode == 0


def test_debug_shows_where_an_error_came_from(boxship):
    plain = calls.Boxship("/no/such.sock", "default")
    assert "Traceback" not in plain("ps", code=1).errors
    with plain.start("--debug", "ps", stderr=subprocess.PIPE) as started:
        assert b"Traceback" in started.stderr.read()
