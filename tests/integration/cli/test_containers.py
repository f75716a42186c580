"""Commands about containers that are there: ps, exec, logs, start, stop, kill, rm, wait, inspect, stats."""

import os
import tempfile
import threading

import pytest
from integration.system import engines

from boxship.client import fifos


def rows(said):
    """A table as one mapping per line."""
    head, *lines = said.lines
    starts = [head.index(word) for word in head.split("  ") if word]
    places = list(zip(starts, [*starts[1:], None], strict=True))
    return [{head[a:b].strip(): line[a:b].strip() for a, b in places} for line in lines]


# ps


def test_ps_shows_what_runs(boxship, running):
    (row,) = rows(boxship("ps", "-f", f"name={running}"))
    assert (row["NAME"], row["IMAGE"], row["STATUS"]) == (running, "box:latest", "running")
    assert row["COMMAND"].startswith("sh -c trap")
    assert "now" in row["CREATED"] or "second" in row["CREATED"]


def test_ps_for_programs(boxship, running):
    (row,) = boxship("ps", "--format", "json", "-f", f"name={running}").json
    assert (row["name"], row["image"], row["status"]) == (running, "docker.io/library/box:latest", "running")
    assert row["pid"] > 0
    assert row["exit_status"] is None
    assert row["labels"]["role"] == "web"
    assert row["created"].endswith("Z")
    assert isinstance(row["command"], list)


def test_ps_without_anything_is_still_a_table(boxship):
    said = boxship("-n", "nobody-lives-here", "ps")
    assert said.text.split() == ["NAME", "IMAGE", "COMMAND", "CREATED", "STATUS"]
    assert boxship("-n", "nobody-lives-here", "ps", "--format", "json").json == []
    assert boxship("-n", "nobody-lives-here", "ps", "-q").text == ""


def test_ps_all_also_shows_what_ended(boxship, running):
    boxship("stop", running)
    assert running not in boxship("ps", "-q").lines
    (row,) = rows(boxship("ps", "-a", "-f", f"name={running}"))
    assert row["STATUS"].startswith("exited (3)")
    (row,) = boxship("ps", "-a", "--format", "json", "-f", f"name={running}").json
    assert (row["status"], row["exit_status"]) == ("stopped", 3)


def test_ps_filters(boxship, running):
    def found(*filters):
        return running in boxship("ps", "-q", *(word for each in filters for word in ("-f", each))).lines

    for filter in ("label=role", "label=role=web", f"name={running}", f"name={running[2:6]}", "image=box", "status=running",
                   "labels.role==web", f"id=={running}"):  # fmt: skip
        assert found(filter), filter
    for filter in ("label=role=db", "label=no", "name=nobody", "image=nginx", "status=exited", "labels.role==db"):
        assert not found(filter), filter
    assert found("label=role=web", "status=running", "labels.role==web")
    assert not found("label=role=web", "name=nobody")
    assert "there is no status 'flying'" in boxship("ps", "-f", "status=flying", code=2).errors
    assert "filters: parse error" in boxship("ps", "-f", "what is this", code=1).errors


def test_made_up_names_may_be_shortened(boxship):
    (id,) = boxship("run", "-d", "box", "sleep", "60").lines
    try:
        assert boxship("exec", id[:5], "echo", "found").text == "found\n"
        assert boxship("inspect", id[:4]).json[0]["id"] == id
        assert boxship("kill", id[:6]).text == f"{id[:6]}\n"
        assert boxship("wait", id[:11]).text == "137\n"
        assert "not found" in boxship("rm", id[:2], code=1).errors
        assert "not found" in boxship("rm", "fff" if id[:3] != "fff" else "eee", code=1).errors
    finally:
        boxship("rm", "-f", id[:8])
    assert id not in boxship("ps", "-aq").lines


def test_given_names_may_not(boxship, name):
    boxship("run", "-d", "--name", f"abcdef{name}", "box", "true")
    assert "not found" in boxship("rm", "-f", "abcdef", code=1).errors
    boxship("rm", "-f", f"abcdef{name}")


# exec


def test_exec(boxship, running):
    said = boxship("exec", running, "sh", "-c", "echo out; echo err >&2; exit 9", code=9)
    assert (said.raw, said.errors) == (b"out\n", "err\n")
    said = boxship("exec", "-e", "A=b", "-w", "/tmp", "-u", "app", running, "sh", "-c", "echo $A $COLOR; pwd; id -u")
    assert said.lines == ["b blue", "/tmp", "1000"]
    assert boxship("exec", "-i", running, "cat", stdin=b"through").raw == b"through"
    assert boxship("exec", running, "cat", stdin=b"not through").raw == b""
    assert boxship("exec", running, "sh", "-c", "kill -KILL $$", code=137).raw == b""


def test_exec_leaves_nothing_behind(boxship, running):
    def folders():
        places = (tempfile.gettempdir(), fifos.PLACE)
        return {name for place in places for name in os.listdir(place) if name.startswith("boxship-")}

    before, others = folders(), boxship("tasks", "ps", running, "--format", "json").json
    boxship("exec", running, "true")
    boxship("exec", "-i", running, "false", code=1)
    boxship("exec", running, "nonsense", code=127)
    boxship("run", "--rm", "box", "true")
    assert folders() <= before
    assert len(boxship("tasks", "ps", running, "--format", "json").json) <= len(others) + 1  # a sleep comes and goes


def test_exec_with_all_capabilities(boxship, running):
    line = "grep CapEff /proc/self/status"
    plain = int(boxship("exec", running, "sh", "-c", line).text.split()[-1], 16)
    assert int(boxship("exec", "--privileged", running, "sh", "-c", line).text.split()[-1], 16) > plain


def test_exec_detached(boxship, running):
    assert boxship("exec", "-d", running, "sh", "-c", "echo done > /tmp/mark; sleep 60").text == ""
    engines.until(lambda: boxship("exec", running, "cat", "/tmp/mark", code=None).text == "done\n", "the mark")


def test_exec_reads_environment_files(boxship, running, tmp_path):
    (tmp_path / "env").write_text("A=1\nB=2\n")
    said = boxship("exec", "--env-file", str(tmp_path / "env"), "-e", "B=3", running, "sh", "-c", "echo $A $B")
    assert said.text == "1 3\n"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("{}", "nonsense"), 127, "cannot run 'nonsense'"),
        (("{}", "/no/such"), 127, "cannot run '/no/such'"),
        (("{}", "/etc"), 126, "cannot run '/etc'"),
        (("-w", "/no/such", "{}", "true"), 125, "/no/such"),
        (("-w", "here", "{}", "true"), 125, "must be an absolute path"),
        (("-u", "nobody-here", "{}", "true"), 125, "not in the image's /etc/passwd"),
        (("--bogus", "{}", "true"), 125, "no such option '--bogus'"),
        (("{}",), 125, "missing argument 'COMMAND"),
        (("no-such", "true"), 125, "not found"),
    ],
)
def test_exec_refuses(boxship, running, words, code, why):
    said = boxship("exec", *(word.format(running) for word in words), code=code)
    assert why in said.errors
    assert "OCI runtime" not in said.errors


def test_exec_in_one_that_ended(boxship, running):
    boxship("stop", running)
    assert running in boxship("exec", running, "true", code=125).errors


# logs


def test_logs(boxship, name):
    boxship("run", "-d", "--name", name, "box", "sh", "-c", "for i in 1 2 3; do echo $i; done; echo oops >&2")
    boxship("wait", name)
    assert boxship("logs", name).text == "1\n2\n3\noops\n"
    assert boxship("logs", "--tail", "2", name).text == "3\noops\n"
    assert boxship("logs", "-n", "0", name).text == ""
    assert boxship("logs", "-f", name).text == "1\n2\n3\noops\n"
    assert "not in the range" in boxship("logs", "--tail", "-1", name, code=2).errors
    assert "not found" in boxship("logs", "no-such", code=1).errors


def test_logs_are_followed_until_it_ends(boxship, running):
    with boxship.start("logs", "-f", running, stdout=-1) as following:
        assert following.stdout.readline() == b"ready\n"
        boxship("kill", "-s", "USR1", running)
        assert following.stdout.read() == b"bye\n"
        assert following.wait(20) == 0


# start, stop, kill, wait, rm


def test_stopping_and_starting(boxship, running):
    assert boxship("stop", running).text == f"{running}\n"  # by the image's SIGUSR1
    assert boxship("wait", running).text == "3\n"
    assert boxship("stop", running).text == f"{running}\n"
    assert boxship("start", running).text == f"{running}\n"
    assert running in boxship("ps", "-q").lines
    assert "runs" in boxship("start", running, code=1).errors


def test_stop_kills_what_does_not_listen(boxship, name):
    boxship("run", "-d", "--name", name, "box", "sh", "-c", "trap '' USR1; echo ready; while true; do sleep 0.02; done")
    engines.until(lambda: "ready" in boxship("logs", name).text, "the first word")
    boxship("stop", "-t", "0.1", name)
    assert boxship("wait", name).text == "137\n"
    assert "not in the range" in boxship("stop", "-t", "-1", name, code=2).errors


def test_start_attached(boxship, name):
    boxship("run", "--name", name, "-i", "box", "sh", "-c", "echo first; cat; exit 6", stdin=b"in\n", code=6)
    said = boxship("start", "-a", "-i", name, stdin=b"again\n", code=6)
    assert said.text == "first\nagain\n"
    assert boxship("start", "-a", name, code=6).text == "first\n"
    assert "name just one" in boxship("start", "-a", name, name, code=2).errors
    assert "not found" in boxship("start", "-a", "no-such", code=125).errors


@pytest.mark.parametrize("signal", ["USR1", "SIGUSR1", "usr1", "10"])
def test_kill(boxship, running, signal):
    assert boxship("kill", "-s", signal, running).text == f"{running}\n"
    assert boxship("wait", running).text == "3\n"


def test_kill_is_by_force_unless_said_otherwise(boxship, running):
    boxship("kill", running)
    assert boxship("wait", running).text == "137\n"
    said = boxship("kill", running, code=1)
    assert running in said.errors
    assert "already finished" in said.errors


def test_kill_refuses(boxship, running):
    assert "signal 'NOPE' is not known" in boxship("kill", "-s", "NOPE", running, code=1).errors
    assert "numbered from 1 to 64" in boxship("kill", "-s", "65", running, code=1).errors


def test_waiting(boxship, running):
    ended = []
    waiter = threading.Thread(target=lambda: ended.append(boxship.process("wait", running).text))
    waiter.start()
    boxship("kill", "-s", "USR1", running)
    waiter.join(20)
    assert ended == ["3\n"]


def test_removing(boxship, running):
    said = boxship("rm", running, code=1)
    assert "stop it first" in said.errors
    assert boxship("rm", "-f", running).text == f"{running}\n"
    assert "not found" in boxship("rm", running, code=1).errors
    assert "not found" in boxship("rm", "-f", running, code=1).errors


def test_one_that_fails_does_not_stop_the_others(boxship, running):
    said = boxship("stop", "no-such", running, code=1)
    assert said.text == f"{running}\n"
    assert '"no-such"' in said.errors


@pytest.mark.parametrize("words", [["stop"], ["kill"], ["rm"], ["wait"], ["start"], ["inspect"], ["logs"]])
def test_somebody_must_be_named(boxship, words):
    said = boxship(*words, code=2)
    assert said.errors.startswith(f"boxship {words[0]}: missing argument 'CONTAINER")


# inspect, stats


def test_inspecting_a_container(boxship, running):
    (told,) = boxship("inspect", running).json
    assert (told["kind"], told["id"], told["status"]) == ("container", running, "running")
    assert told["spec"]["process"]["args"][0] == "sh"
    boxship("stop", running)
    (told,) = boxship("inspect", running).json
    assert (told["status"], told["exit_status"]) == ("stopped", 3)
    assert told["exited_at"] > told["created_at"]


def test_inspecting_goes_on_behind_what_is_missing(boxship, running):
    said = boxship("inspect", "no-such", running, "box", code=1)
    assert [each["kind"] for each in said.json] == ["container", "image"]
    assert said.errors == "boxship: there is neither a container nor an image 'no-such'\n"


def test_stats(boxship, running):
    (row,) = rows(boxship("stats", "--no-stream", running))
    assert row["NAME"] == running
    assert row["LIMIT"] == "none"
    assert row["MEMORY"].endswith("iB")
    (row,) = [each for each in boxship("stats", "--no-stream", "--format", "json").json if each["name"] == running]
    assert row["memory"] > 0
    assert row["pids"] >= 1
    boxship("stop", running)
    assert "does not run" in boxship("stats", "--no-stream", running, code=1).errors
    assert running not in boxship("stats", "--no-stream").text


def test_stats_go_on_until_interrupted(boxship, running):
    with boxship.start("stats", running, stdout=-1, stderr=-1) as watching:
        for _ in range(2):
            assert watching.stdout.readline().startswith(b"NAME")
            assert watching.stdout.readline().startswith(running.encode())
        watching.send_signal(2)
        assert watching.wait(20) == 130
        assert b"Traceback" not in watching.stderr.read()
