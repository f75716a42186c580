"""The zygote: what its children look like, what it refuses, and who outlives whom."""

import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import resource
import select
import signal
import subprocess
import sys
import time

import pytest

from boxship.zygote import client, template

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parents[2] / "src"
ENTRIES = {name: f"entries_for_zygote:{name}" for name in ("describe", "hold", "parent", "nothing", "leave", "at_once")}


def make(**more):
    return client.Zygote(ENTRIES, path=[str(SOURCE), str(HERE), *client._module_path()], **more)


@pytest.fixture(scope="module")
def zygote():
    zygote = make()
    yield zygote
    zygote.close()


def read(fd, timeout=10.0):
    """What comes next on the descriptor; fails when nothing does."""
    assert select.select([fd], [], [], timeout)[0], "nothing came"
    return os.read(fd, 65536)


def asked(zygote, entry, arguments=None):
    """The child's pid and what it wrote until it let go of the pipe."""
    ours, theirs = os.pipe()
    pid = zygote.spawn(entry, arguments, [theirs])
    os.close(theirs)
    with open(ours, "rb") as answer:
        return pid, answer.read()


def gone(pid, timeout=10.0):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.002)
    return False


def test_a_child_is_on_its_own_and_clean(zygote):
    pid, answer = asked(zygote, "describe", {"a": [1, "ä"]})
    facts = json.loads(answer)
    assert facts["arguments"] == {"a": [1, "ä"]}
    assert facts["pid"] == facts["session"] == pid
    assert facts["umask"] == 0o077
    assert facts["directory"] == "/"
    assert set(facts["environment"]) == {"PATH"} | set(facts["environment"]) & {"LC_CTYPE"}
    assert (facts["blocked"], facts["ignored"], facts["threads"]) == (0, 0, 1)


def test_a_child_holds_the_standard_three_and_what_it_was_given(zygote):
    _, answer = asked(zygote, "describe")
    facts = json.loads(answer)
    known = {0, 1, 2, *facts["fds"]}
    assert known < set(facts["descriptors"])
    assert len(facts["descriptors"]) == len(known) + 1  # the open folder that is being listed


def test_a_child_runs_from_a_sealed_copy_and_finds_its_library(zygote):
    _, answer = asked(zygote, "describe")
    facts = json.loads(answer)
    assert facts["program"].startswith("/memfd:")
    assert facts["prefix"] == sys.base_prefix
    assert str(SOURCE) in facts["path"]
    assert "" not in facts["path"]


def test_the_image_of_a_child_cannot_be_written(zygote):
    ours, theirs = os.pipe()
    back, told = os.pipe()
    pid = zygote.spawn("hold", None, [ours, told])
    assert read(back) == b"up"
    with open(f"/proc/{pid}/exe", "rb") as program:
        seals = fcntl.fcntl(program, fcntl.F_GET_SEALS)
    assert seals == fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    os.write(theirs, b".")
    assert read(back) == b"bye"
    for fd in (ours, theirs, back, told):
        os.close(fd)


def test_the_parent_is_init(zygote):
    _, answer = asked(zygote, "parent")
    assert int(answer) != zygote.pid
    assert int(answer) == 1 or os.path.exists(f"/proc/{int(answer)}")


def test_many_threads_may_ask(zygote):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: asked(zygote, "describe", {"n": number}), range(24)))
    seen = [json.loads(answer) for _, answer in answers]
    assert [facts["arguments"]["n"] for facts in seen] == list(range(24))
    assert len({pid for pid, _ in answers}) == 24


def test_what_is_too_much_is_refused(zygote):
    with pytest.raises(ValueError, match="at most 65536"):
        zygote.spawn("nothing", {"x": "y" * template.MAX_PACKET})
    with pytest.raises(ValueError, match="at most 64 can be sent"):
        zygote.spawn("nothing", None, [0] * 65)
    with pytest.raises(ValueError, match="no entry point 'other'"):
        zygote.spawn("other")
    assert asked(zygote, "nothing")[1] == b""


def test_the_largest_packet_arrives(zygote):
    overhead = len(json.dumps({"entry": "describe", "arguments": {"x": ""}}))
    text = "y" * (template.MAX_PACKET - overhead)
    _, answer = asked(zygote, "leave", {"x": text})
    assert answer == b""


def test_one_that_died_is_replaced():
    zygote = make()
    assert asked(zygote, "nothing")[1] == b""
    first = zygote.pid
    os.kill(first, signal.SIGKILL)
    assert json.loads(asked(zygote, "describe")[1])["session"]
    assert zygote.pid not in {None, first}
    zygote.close()


def test_children_live_on_when_the_template_ends():
    zygote = make()
    ours, theirs = os.pipe()
    back, told = os.pipe()
    child = zygote.spawn("hold", None, [ours, told])
    assert read(back) == b"up"
    zygote.close()
    os.kill(child, 0)
    os.write(theirs, b".")
    assert read(back) == b"bye"
    assert gone(child)
    with pytest.raises(OSError, match="closed"):
        zygote.spawn("nothing")
    for fd in (ours, theirs, back, told):
        os.close(fd)


def test_an_import_that_fails_is_told():
    zygote = client.Zygote({"x": "no_such_module_here:run"}, path=[str(SOURCE)])
    with pytest.raises(OSError, match="no_such_module_here"):
        zygote.spawn("x")
    zygote.close()


def test_it_leaves_with_the_one_who_started_it():
    script = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from boxship.zygote import client\n"
        "zygote = client.Zygote({'nothing': 'entries_for_zygote:nothing'}, path=sys.argv[1:3])\n"
        "zygote.spawn('nothing'); print(zygote.pid, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(SOURCE), str(HERE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as daemon:
        template_pid = int(daemon.stdout.readline())
        os.kill(template_pid, 0)
        daemon.kill()
    assert gone(template_pid)


@pytest.fixture
def sparing():
    zygote = make(spare="at_once")
    yield zygote
    zygote.close()


def spare_of(zygote):
    """The pid of the process that stands by; waits for it."""
    asked(zygote, "nothing")  # so that there is a template
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                comm = pathlib.Path(f"/proc/{pid}/comm").read_text()
                if comm == "at-once\n" and os.stat(f"/proc/{pid}/exe") == os.stat(f"/proc/{zygote.pid}/exe"):
                    return int(pid)
        time.sleep(0.002)
    raise AssertionError("nobody stands by")


def test_one_stands_by_and_another_after_it(sparing):
    for number in range(3):
        spare, now = spare_of(sparing), time.monotonic()
        pid, answer = asked(sparing, "at_once", {"number": number, "last": True})
        told = json.loads(answer)
        assert told["pid"] == pid == spare
        assert told["ready"] < now
        assert told["arguments"] == {"number": number, "last": True}
        assert gone(pid)


def test_one_that_has_done_its_work_stands_by_again(sparing):
    spare = spare_of(sparing)
    for number in range(50):
        pid, answer = asked(sparing, "at_once", {"number": number})
        assert json.loads(answer)["pid"] == pid
        assert json.loads(answer)["arguments"] == {"number": number}
        if pid == spare and number:
            break
    else:
        raise AssertionError("it was never asked again")


def test_of_those_that_have_worked_none_stays_when_nobody_asks(sparing):
    spare_of(sparing)
    worked = {asked(sparing, "at_once")[0] for _ in range(5)}
    for pid in worked:
        assert gone(pid)
    assert spare_of(sparing) not in worked


def test_no_more_stand_by_than_a_few(sparing):
    ends, pids = [], []
    for _ in range(template._CROWD + 4):
        (answer, theirs), (held, end) = os.pipe(), os.pipe()
        pids.append(sparing.spawn("at_once", {}, [theirs, held]))
        os.close(theirs)
        os.close(held)
        ends.append(end)
        assert read(answer)
        os.close(answer)
    for end in ends:
        os.close(end)
    deadline = time.monotonic() + 10
    while (alive := sum(os.path.exists(f"/proc/{pid}") for pid in pids)) > template._CROWD:
        asked(sparing, "nothing")  # so that it is never long since somebody asked
        assert time.monotonic() < deadline
    assert alive > template._CROWD // 2


def test_a_spare_that_died_is_not_missed(sparing):
    spare = spare_of(sparing)
    os.kill(spare, signal.SIGKILL)
    assert gone(spare)
    pid, answer = asked(sparing, "at_once")
    assert json.loads(answer)["pid"] == pid != spare


def test_without_descriptors_none_stands_by_until_there_are_some():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    zygote = make(spare="at_once", descriptors=(7, hard))  # its own are six
    try:
        with pytest.raises(OSError, match="Too many open files"):
            asked(zygote, "nothing")
        time.sleep(3 * template._PAUSE / 1000)  # it tries, and has none for it
        with pytest.raises(OSError, match="Too many open files"):
            asked(zygote, "nothing")
        resource.prlimit(zygote.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert spare_of(zygote)
    finally:
        zygote.close()


def test_a_spare_leaves_with_the_template(sparing):
    spare = spare_of(sparing)
    sparing.close()
    assert gone(spare)


def test_a_child_of_another_entry_holds_no_way_to_the_spare(sparing):
    spare = spare_of(sparing)
    _, answer = asked(sparing, "describe")
    facts = json.loads(answer)
    assert len(facts["descriptors"]) == 3 + len(facts["fds"]) + 1  # the open folder that is being listed
    assert json.loads(asked(sparing, "at_once")[1])["pid"] == spare
