"""With a terminal: `run -it`, `exec -it`, its size, its keys; and colours only where somebody sees them."""

import functools
import os
import re
import signal
import termios

import pytest
from integration.cli import screens
from integration.system import engines


@pytest.fixture
def terminal(boxship):
    made = []

    def make(*words, columns=80, rows=24, **environment):
        start = functools.partial(boxship.start, *words, environment={"TERM": "xterm", **environment})
        made.append(screens.Screen(start, columns=columns, rows=rows))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_shell(terminal, name):
    at = terminal("run", "-it", "--rm", "--name", name, "box", "sh")
    at.until(r"[#$] ")
    at.type("echo $((6 * 7)) $TERM; tty\n")
    at.until(r"42 xterm\r\n/dev/pts/0\r\n")
    at.type("exit 5\n")
    assert at.end()[1] == 5


def test_the_terminal_is_as_before_afterwards(terminal):
    at = terminal("run", "-it", "--rm", "box", "sh", "-c", "echo in; read x; echo bye")
    before = at.settings()
    at.until("in\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type("\n")
    assert at.end()[1] == 0
    assert at.settings() == before


def test_it_has_the_size_of_the_callers_from_the_start(terminal):
    at = terminal("run", "-it", "--rm", "box", "stty", "size", columns=97, rows=31)
    at.until("31 97")
    assert at.end()[1] == 0


def test_it_follows_the_callers_size(terminal):
    at = terminal(
        "run", "-it", "--rm", "box", "sh", "-c", "trap 'stty size' WINCH; echo go; while true; do sleep 0.02; done"
    )
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.resize(111, 44)
    at.process.send_signal(signal.SIGWINCH)
    at.until("44 111")


def test_keys_reach_the_container(terminal):
    at = terminal(
        "run",
        "-it",
        "--rm",
        "box",
        "sh",
        "-c",
        "trap 'echo heard; exit 8' INT; echo go; while true; do sleep 0.02; done",
    )
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ISIG, "raw keys")
    at.type("\x03")
    at.until("heard")
    assert at.end()[1] == 8


def test_end_of_input_is_a_key(terminal):
    at = terminal("run", "-it", "--rm", "box", "cat")
    engines.until(lambda: not at.settings()[3] & termios.ISIG, "raw keys")
    at.type("line\n")
    at.until("line\r\nline\r\n")
    at.type("\x04")
    assert at.end()[1] == 0


def test_exec_with_a_terminal(terminal, running):
    at = terminal("exec", "-it", running, "sh", columns=90, rows=20)
    at.until(r"[#$] ")
    at.type("stty size; exit 4\n")
    at.until("20 90")
    assert at.end()[1] == 4


def test_remarks_begin_their_lines_while_a_container_has_the_terminal(terminal, engine, name):
    at = terminal("run", "-it", "--rm", "--name", name, "box", "sh", "-c", "echo go; read x; exit 6")
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    engine.kill()
    at.until("the daemon has gone away[^\r\n]*\r\n")
    engine.start()
    at.type("\n")
    assert at.end()[1] == 6


def test_interrupting_what_has_no_terminal(terminal, name):
    line = "trap 'exit 9' INT; echo go; while true; do sleep 0.02; done"
    at = terminal("run", "--rm", "--name", name, "box", "sh", "-c", line)
    at.until("go\r\n")
    at.type("\x03")
    assert at.end()[1] == 9


def test_tables_fit_the_terminal(terminal, running):
    for columns in (60, 80, 120):
        screen, code = terminal("ps", columns=columns).end()
        assert code == 0
        assert max(map(len, screen.splitlines())) <= columns
        assert "…" in screen
        assert running in screen


def test_progress_is_for_who_watches(terminal, boxship, remote, reference):
    fresh = f"{remote.host}/test/watched:v1"
    remote.push_image("test/watched", "v1", [os.urandom(1 << 20)[:0], b""], {"Cmd": ["true"]})
    screen, code = terminal("pull", fresh).end()
    assert code == 0
    assert "\x1b[" in screen
    assert fresh in screen.rstrip().splitlines()[-1]
    plain, code = terminal("pull", fresh, TERM="dumb").end()
    assert code == 0
    assert "\x1b[" not in plain
    said = boxship.process("pull", fresh)
    assert "\x1b" not in said.errors + said.text


def test_archives_are_nothing_for_a_terminal(terminal):
    for words, why in ((("load",), "pipe one in"), (("save", "box"), "pipe it on")):
        screen, code = terminal(*words).end()
        assert code == 2
        assert why in screen


def test_help_is_as_wide_as_the_terminal(terminal):
    for columns in (60, 80, 120):
        screen, _ = terminal("run", "--help", columns=columns).end()
        widest = max(map(len, screen.splitlines()))
        assert columns * 0.8 < widest <= columns


def test_stats_are_redrawn(terminal, running):
    at = terminal("stats", running)
    for _ in range(2):
        at.until(re.escape("\x1b[H") + "(.|\n)*NAME")
        at.until(running)
    at.type("\x03")
    assert at.end()[1] == 130


# leaving and coming back


LEAVE = "\x10\x11"
READING = "echo go; while read line; do echo got $line; done; exit 4"


@pytest.fixture
def left(terminal, name):
    """The name of a container that somebody has left by keys."""
    at = terminal("run", "-it", "--name", name, "box", "sh", "-c", READING)
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type("first\n")
    at.until("got first\r\n")
    before = at.settings()
    at.type(f"half{LEAVE}")
    screen, code = at.end()
    assert code == 0
    assert f"left it running; `boxship attach {name}` goes back" in screen
    assert at.settings() != before
    return name


def test_keys_leave_a_container_running(boxship, left):
    assert left in boxship("ps", "-q").lines
    assert "got first" in boxship("logs", left).text


def test_who_has_left_comes_back(terminal, boxship, left):
    at = terminal("attach", left, columns=91, rows=33)
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type("er\n")
    at.until("got halfer\r\n")
    assert "33 91" in boxship("exec", "-t", left, "sh", "-c", "stty size </proc/1/fd/0").text
    at.type(LEAVE)
    assert at.end()[1] == 0
    assert left in boxship("ps", "-q").lines
    at = terminal("attach", left)
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type("\x04")
    assert at.end()[1] == 4


def test_output_of_one_that_was_left_is_kept(terminal, boxship, name):
    at = terminal("run", "-it", "--name", name, "box", "sh", "-c", "read x; seq 1 50000; echo end")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type(f"\n{LEAVE}")
    assert at.end()[1] == 0
    assert boxship("wait", name).text == "0\n"
    engines.until(lambda: boxship("logs", name).text.endswith("end\r\n"), "the end")
    counted = boxship("logs", name).text.splitlines()
    assert counted[-50001:] == [*map(str, range(1, 50001)), "end"]


def test_keys_of_ones_own(terminal, name):
    at = terminal("run", "-it", "--rm", "--detach-keys", "ctrl-a,d", "--name", name, "box", "sh", "-c", READING)
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type("a\x01b\n")
    at.until("got a\x01b\r\n")
    at.type("\x01d")
    assert at.end()[1] == 0


def test_no_keys_at_all(terminal, name):
    at = terminal("run", "-it", "--rm", "--detach-keys", "", "--name", name, "box", "cat")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type(f"x{LEAVE}\n")
    at.until("x")
    at.type("\x04")
    assert at.end()[1] == 0


def test_a_left_one_is_removed_at_its_end_when_asked(terminal, boxship, name):
    at = terminal("run", "-it", "--rm", "--name", name, "box", "sh", "-c", READING)
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type(LEAVE)
    assert at.end()[1] == 0
    assert name in boxship("ps", "-q").lines
    boxship("kill", name)
    engines.until(lambda: name not in boxship("ps", "-aq").lines, "its removal")


def test_a_terminal_that_is_closed_leaves_it_running(terminal, boxship, name):
    at = terminal("run", "-it", "--name", name, "box", "sh", "-c", READING)
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.process.send_signal(signal.SIGHUP)
    assert at.end()[1] == 0
    assert name in boxship("ps", "-q").lines


def test_leaving_an_exec(terminal, boxship, running):
    at = terminal("exec", "-it", running, "sh", "-c", "echo go; read x; seq 1 50000; touch /done; sleep 60")
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type(f"\n{LEAVE}")
    assert at.end()[1] == 0
    engines.until(lambda: boxship("exec", running, "test", "-e", "/done", code=None).code == 0, "what it did")


def test_start_is_left_too(terminal, boxship, left):
    boxship("stop", "-t", "0", left)
    at = terminal("start", "-ai", left)
    at.until("go\r\n")
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type(LEAVE)
    assert at.end()[1] == 0
    assert left in boxship("ps", "-q").lines


def test_attaching_to_a_detached_one(terminal, boxship, name):
    boxship("run", "-dit", "--name", name, "box", "sh", "-c", READING)
    at = terminal("attach", name)
    engines.until(lambda: not at.settings()[3] & termios.ECHO, "raw keys")
    at.type("there\n")
    at.until("got there\r\n")
    at.type("\x04")
    assert at.end()[1] == 4


def test_attaching_without_a_terminal(boxship, name):
    boxship("run", "-d", "-i", "--name", name, "box", "sh", "-c", "while read line; do echo got $line; done")
    with boxship.start("attach", name, stdin=-1, stdout=-1) as started:
        started.stdin.write(b"this\n")
        started.stdin.flush()
        assert started.stdout.readline() == b"got this\n"
        boxship("kill", name)
        assert started.wait(20) == 137
        assert started.stdout.read() == b""
    assert "does not run; `boxship start -ai" in boxship("attach", name, code=125).errors
    assert "not found" in boxship("attach", "nobody-here", code=125).errors


def test_keys_that_are_none(boxship):
    for keys in ("ctrl-1", "ab", "ctrl-", "a,,b"):
        assert "is no key: write a letter, or ctrl-" in boxship("attach", "--detach-keys", keys, "x", code=125).errors
