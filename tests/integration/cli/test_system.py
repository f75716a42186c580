"""info, version, events, help, completion, and what is said of a wrong command."""

import json
import os
import re
import select

import pytest
from integration.system import engines

from boxship import __version__


def test_version(boxship, engine):
    assert f"version:  {__version__}" in boxship("version").text
    told = boxship("version", "--format", "json").json
    assert told["client"]["version"] == __version__
    assert told["daemon"]["socket"] == engine.address
    assert boxship("--version").text == f"boxship {__version__}\n"


def test_info(boxship, engine):
    told = boxship("info", "--format", "json").json
    assert (told["pid"], told["root"], told["namespace"]) == (engine.pid, f"{engine.home}/root", "cli-tests")
    assert told["memory"] > 1 << 20
    assert "overlayfs" in told["snapshotters"]
    said = boxship("info")
    assert f"root:         {engine.home}/root" in said.lines
    assert "failed:       none" in said.lines
    assert re.search(r"^memory: +[\d.]+ [GT]iB$", said.text, re.MULTILINE)


def test_json_everywhere(boxship, remote, reference, running, engine):
    """Whatever prints a result prints it as JSON when asked."""
    for words in (
        ("ps",), ("images",), ("inspect", running), ("stats", "--no-stream"), ("info",), ("version",), ("pull", reference),
        ("push", reference), ("content", "ls"), ("content", "active"), ("snapshots", "ls"), ("snapshots", "usage"),
        ("snapshots", "info", running), ("containers", "ls"), ("containers", "info", running), ("tasks", "ls"),
        ("tasks", "ps", running), ("leases", "ls"), ("namespaces", "ls"), ("plugins", "ls"), ("daemon", "status"),
    ):  # fmt: skip
        assert isinstance(boxship(*words, "--format", "json").json, list | dict)
    archive = boxship("save", "box").raw
    (told,) = boxship("-n", "json", "load", "--format", "json", stdin=archive).json
    assert told["name"] == "docker.io/library/box:latest"
    assert boxship("daemon", "status", "--format", "json").json["pid"] == engine.pid
    boxship("kill", "-s", "USR1", running)
    (told,) = boxship("wait", "--format", "json", running).json
    assert (told["name"], told["exit_status"]) == (running, 3)
    assert told["exited"].endswith("Z")


def test_events(boxship, name):
    with boxship.start("events", "--format", "json", "namespace==cli-tests", stdout=-1, stderr=-1) as watching:

        def heard():
            boxship("tag", "box", "bell")
            return os.read(watching.stdout.fileno(), 1) if _readable(watching.stdout) else b""

        first = engines.until(heard, "the first event")
        boxship("run", "--rm", "--name", name, "box", "sh", "-c", "exit 9", code=9)
        topics, line = [], first + watching.stdout.readline()
        while "/containers/delete" not in topics:
            told = json.loads(line)
            topics.append(told["topic"])
            assert told["namespace"] == "cli-tests"
            assert told["timestamp"].endswith("Z")
            if told["topic"] == "/tasks/exit":
                assert told["event"]["exit_status"] == 9
            line = watching.stdout.readline()
        watching.send_signal(2)
        assert watching.wait(20) == 130
        assert b"Traceback" not in watching.stderr.read()
    assert [topic for topic in topics if topic.startswith("/tasks")] == [
        "/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]  # fmt: skip


def _readable(stream):
    return bool(select.select([stream], [], [], 0.1)[0])


def test_events_for_people_and_wrong_filters(boxship):
    with boxship.start("events", 'topic~="^/images/up"', stdout=-1) as watching:

        def heard():
            boxship("tag", "box", "bell")
            return _readable(watching.stdout)

        engines.until(heard, "an event")
        assert re.match(rb"\d{4}-\d\d-\d\dT\S+Z cli-tests /images/update \{", watching.stdout.readline())
        watching.stdout.close()  # nobody reads any more
        assert watching.wait(20) in {0, -13}
    assert "filters: parse error" in boxship("events", "what is this", code=1).errors


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("rnu",), "Did you mean run?"),
        (("restart", "x"), "`boxship stop NAME && boxship start NAME`"),
        (("image", "ls"), "`boxship images`"),
        (("frobnicate",), "there is no command 'frobnicate'"),
        (("ps", "--al"), "'--all'"),
        (("ps", "--format", "yaml"), "'yaml' is not one of 'table', 'json'"),
        (("ps", "more"), "got unexpected extra argument (more)"),
        (("--bogus",), "no such option '--bogus'"),
        (("stop", "-t"), "requires an argument"),
        (("tag", "box"), "missing argument 'TARGET'"),
    ],
)
def test_wrong_usage(boxship, words, why):
    said = boxship(*words, code=2)
    assert why in said.errors
    assert said.errors.startswith("boxship")
    assert len(said.errors.splitlines()) == 2
    assert said.errors.splitlines()[1].endswith("--help` shows what it takes")
    assert said.text == ""


def test_without_a_command_it_tells_what_there_is(boxship):
    assert "Containers:" in boxship(code=2).errors
    assert "Containers:" in boxship("--help").text
    assert boxship("-h").text == boxship("--help").text


def test_namespaces_keep_apart(boxship, running):
    assert running not in boxship("-n", "elsewhere", "ps", "-aq").lines
    assert "not found" in boxship("-n", "elsewhere", "rm", running, code=1).errors
