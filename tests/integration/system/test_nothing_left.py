"""A hundred lives of containers, some of which fail to begin, leave the machine as it was."""

import tempfile

import pytest
from integration.system import census

from boxship.core import mounts, tasks
from boxship.terms import errors

pytestmark = [pytest.mark.root, pytest.mark.slow]

CYCLES = 100
WRONG = (
    (["/no/such/program"], {}),
    (["true"], {"cwd": "/etc/passwd"}),
    (["true"], {"mounts": [mounts.Mount(type="bind", source="/no/such/source", target="/x", options=("rbind",))]}),
    (["true"], {"mounts": [mounts.Mount(type="nosuchfs", source="none", target="/x", options=())]}),
    (["true"], {"runtime": "io.containerd.nosuch.v1"}),
    (["true"], {"user": "4294967296"}),
)


@pytest.fixture
def own_folder(engine, monkeypatch):
    """The client's FIFOs lie where we count them."""
    (engine.home / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(engine.home / "tmp"))


def live(client, image, number):
    """Create, start, exec, kill, delete."""
    made = client.containers.create(image, ["sleep", "1000"], terminal=number % 3 == 0)
    with made.start(stdout=lambda _: None) if number % 2 else made.start() as process:
        assert made.exec(["sh", "-c", "echo in; exit 5"]).exit_status == 5
        if number % 4 == 0:
            with pytest.raises(errors.Error):
                made.exec(["/no/such/program"])
        if number % 5 == 0:
            made.pause()
            made.resume()
        made.kill("SIGKILL")
        assert process.wait() == 137
        assert process.delete() == 137
    made.remove()


def fail(client, image, number):
    """Something that cannot start."""
    args, options = WRONG[number % len(WRONG)]
    with pytest.raises(errors.Error):
        client.containers.run(image, args, **options)


def abandon(client, image):
    """Made and never started, with a task and without."""
    for with_task in (False, True):
        made = client.containers.create(image, ["true"])
        if with_task:
            client.tasks.create(made.id, rootfs=client.snapshots().mounts(made.id), io=tasks.IO())
        made.remove(force=True)


def test_a_hundred_cycles(engine, client, image, own_folder):
    def cycle(number):
        live(client, image, number)
        if number % 5 == 0:
            fail(client, image, number // 5)
            abandon(client, image)

    for number in range(0, 61, 5):  # what is loaded and opened once, is
        cycle(number)
    before = census.at_rest(engine)
    for number in range(CYCLES):
        cycle(number)
    census.settles(engine, before)


def test_the_count_can_fail(engine, client, image):
    """One container that runs is seen by nearly every count."""
    live(client, image, 0)
    before = census.at_rest(engine)
    made = client.containers.create(image, ["sleep", "1000"])
    made.start()
    during = census.take(engine)
    wanted = {
        "processes",
        "mounts",
        "control groups",
        "network namespaces",
        "sockets",
        "files in state",
        "files in root",
    }
    assert {sort for sort in before if before[sort] != during[sort]} >= wanted
    made.remove(force=True)
    census.settles(engine, before)
