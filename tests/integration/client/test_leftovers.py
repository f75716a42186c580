"""What is over leaves nothing: descriptors, threads, folders, mounts, processes; and many threads may share a client."""

import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from integration.client import pictures, scenes

import boxship
from boxship.client import fifos
from boxship.testing import registry

pytestmark = [pytest.mark.root, pytest.mark.slow]

MANY = 40


def is_of_the_book(name):
    """SQLite's connections, of which a pool keeps as many as were needed at once."""
    try:
        return "meta.sqlite" in os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:  # that of the folder itself
        return False


def here(root):
    """What this program holds, and what of an engine's root is mounted."""
    with open("/proc/self/mounts") as file:
        mounts = {line for line in file if str(root) in line or "boxship-rootfs-" in line}
    return {
        "descriptors": sum(not is_of_the_book(name) for name in os.listdir("/proc/self/fd")),
        "threads": sum(each.name == "boxship-stream" for each in threading.enumerate()),
        "folders": set(os.listdir(fifos.PLACE)),
        "mounts": mounts,
    }


def comes_back_to(before, root):
    """The engine lets go of a shim's connection a moment after the container is gone."""
    scenes.until(lambda: here(root).items() == before.items() or here(root)["descriptors"] < before["descriptors"])
    now = here(root)
    assert {**now, "descriptors": 0} == {**before, "descriptors": 0}


@pytest.fixture(scope="module", autouse=True)
def own_folder():
    """What other programs make there meanwhile is not ours to count."""
    former = fifos.PLACE
    with tempfile.TemporaryDirectory(prefix="bx", dir="/run") as folder:
        fifos.PLACE = folder
        yield
        fifos.PLACE = former


@pytest.fixture(scope="module")
def image():
    with registry.Registry() as made:
        yield pictures.push(made)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def client(root, image):
    with boxship.embed(root, namespace="leftovers") as made:
        made.images.pull(image)
        yield made


def test_many_runs_from_many_threads_are_right_and_leave_nothing(client, root, image):
    def one(number):
        found = client.containers.run(image, ["sh", "-c", f"echo {number}; echo e{number} >&2; exit {number}"])
        return found.exit_status, found.output, found.errors

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(8)))  # pools have grown to their size
        before, snapshots = here(root), len(list(client.snapshots().walk()))
        found = list(pool.map(one, range(MANY)))
    assert found == [(i, b"%d\n" % i, b"e%d\n" % i) for i in range(MANY)]
    comes_back_to(before, root)
    assert len(list(client.snapshots().walk())) == snapshots
    assert client.tasks.list() == []


def test_failures_leave_nothing(client, root, image):
    def fail():
        with pytest.raises(Exception, match="no/such/program"):
            client.containers.run(image, ["/no/such/program"])

    fail()
    before = here(root)
    for _ in range(5):
        fail()
    comes_back_to(before, root)


def test_execs_leave_nothing(client, root, image):
    container = client.containers.create(image, ["sleep", "60"])
    try:
        container.start()
        assert container.exec(["echo", "x"]).output == b"x\n"
        before = here(root)
        for number in range(10):
            assert container.exec(["sh", "-c", f"exit {number}"]).exit_status == number
        comes_back_to(before, root)
    finally:
        container.remove(force=True)
    assert client.containers.list() == []


def test_an_embedded_engine_leaves_nothing(tmp_path, image):
    def use():
        with boxship.embed() as client:
            folder = client.address.removeprefix("embedded:")
            client.images.pull(image)
            client.containers.run(image, ["true"])
        assert not os.path.exists(folder)

    use()
    before = here(tmp_path)
    use()
    comes_back_to(before, tmp_path)
