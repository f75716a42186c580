"""Containers that end as soon as they begin: none is lost, and everything about them is right."""

import concurrent.futures
import dataclasses
import time

import pytest

pytestmark = [pytest.mark.root, pytest.mark.slow]

BY_CLIENT, BY_CTR = 160, 40
KINDS = (
    (["true"], 0, b""),
    (["false"], 1, b""),
    (["sh", "-c", "echo x; exit 42"], 42, b"x\n"),
    (["sh", "-c", "echo y; sh -c 'kill -TERM $$' 2>&-; exit $?"], 143, b"y\n"),
    (["sh", "-c", "echo z; exec sleep 100"], 137, b"z\n"),  # this one is killed from outside
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Life:
    """What was seen of a container; times in nanoseconds since the epoch."""

    id: str
    wanted: tuple[int, bytes]
    found: tuple[int, bytes]
    errors: bytes
    began: int
    ended: int
    exited_at: int | None = None  # as deleting it says


def by_client(client, image, number):
    args, status, output = KINDS[number % len(KINDS)]
    said, errors = [], []
    began = time.time_ns()
    made = client.containers.create(image, args, name=f"short-{number}", log="")
    process = made.start(stdout=said.append, stderr=errors.append)
    with process:
        if status == 137:
            while not said:
                time.sleep(0.002)
            process.kill()
        found = process.wait()
    exit_ = client.tasks.delete(made.id)
    made.forget()
    assert exit_.status == found
    return Life(
        id=made.id,
        wanted=(status, output),
        found=(found, b"".join(said)),
        errors=b"".join(errors),
        began=began,
        ended=time.time_ns(),
        exited_at=exit_.exited_at,
    )


def by_ctr(engine, image, number):
    args, status, output = KINDS[number % 4]
    id = f"short-ctr-{number}"
    began = time.time_ns()
    done = engine.ctr("run", "--rm", image, id, *args)
    return Life(
        id=id,
        wanted=(status, output),
        found=(done.returncode, done.stdout),
        errors=done.stderr,
        began=began,
        ended=time.time_ns(),
    )


def check(lives, ear):
    wrong = [life for life in lives if life.wanted != life.found or life.errors]
    assert wrong == []
    for life in lives:
        ear.wait_for("/tasks/delete", life.id)
        assert ear.topics(life.id) == [f"/tasks/{name}" for name in ("create", "start", "exit", "delete")]
        (exit_,) = ear.exits(life.id)
        assert exit_["exit_status"] == life.wanted[0]
        assert life.began < exit_["exited_at"] < life.ended
        assert life.exited_at in {None, exit_["exited_at"]}
        times = [at for topic, at, _ in ear.about(life.id) if topic.startswith("/tasks")]
        assert times == sorted(times)
        assert times[1] <= times[2]
        assert exit_["exited_at"] <= times[2]
        (told,) = [fields for topic, _, fields in ear.about(life.id) if topic == "/tasks/delete"]
        assert (told["exit_status"], told["exited_at"]) == (exit_["exit_status"], exit_["exited_at"])


def test_through_the_library(client, image, ear):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        lives = list(pool.map(lambda number: by_client(client, image, number), range(BY_CLIENT)))
    check(lives, ear)
    assert client.containers.list() == []
    assert client.tasks.list() == []


@pytest.mark.peer
def test_through_ctr(engine, client, image, ear, ctr):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        lives = list(pool.map(lambda number: by_ctr(engine, image, number), range(BY_CTR)))
    check(lives, ear)
    assert client.containers.list() == []
    assert client.tasks.list() == []
