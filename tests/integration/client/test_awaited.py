"""The awaited half: what differs from the other one is how it waits."""

import asyncio
import io

import pytest
from integration.client import pictures

import boxship
from boxship.core import tasks
from boxship.plugins.transfer import progress
from boxship.terms import errors
from boxship.testing import registry

pytestmark = [pytest.mark.root, pytest.mark.slow]

LOOP = "trap 'exit 3' USR1; echo ready; while true; do sleep 0.05; done"


@pytest.fixture(scope="module")
def remote():
    with registry.Registry() as made:
        yield made


@pytest.fixture
def play(tmp_path_factory, remote):
    """Runs a scene with a client and the reference of an image that is here."""
    image = pictures.push(remote)
    root = tmp_path_factory.mktemp("root")

    def run(scene):
        async def whole():
            async with await boxship.embed_async(root, namespace="awaited") as client:
                await client.images.pull(image)
                async with asyncio.timeout(60):
                    return await scene(client, image)

        return asyncio.run(whole())

    return run


def test_many_at_once(play):
    async def scene(client, image):
        runs = (client.containers.run(image, ["sh", "-c", f"echo {i}; exit {i}"]) for i in range(8))
        found = await asyncio.gather(*runs)
        assert [(each.exit_status, each.output) for each in found] == [(i, b"%d\n" % i) for i in range(8)]
        assert await client.containers.list() == []

    play(scene)


def test_a_container_from_start_to_end(play):
    async def scene(client, image):
        made = await client.containers.create(image, ["sh", "-c", LOOP])
        await made.start()
        assert (await made.exec(["cat"], stdin=io.BytesIO(b"in"))).output == b"in"
        assert (await made.stats()).pids >= 1
        assert (await made.stop(10)).status == 3
        assert [piece async for piece in made.logs(follow=True)] == [b"ready\n"]
        assert (await made.status()).status is tasks.Status.STOPPED
        await made.remove()

    play(scene)


def test_waiting_can_be_given_up(play):
    async def scene(client, image):
        made = await client.containers.create(image, ["sh", "-c", LOOP])
        await made.start()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await made.wait()
        assert (await made.status()).status is tasks.Status.RUNNING
        await made.remove(force=True)

    play(scene)


def test_a_run_that_is_given_up_leaves_nothing(play):
    async def scene(client, image):
        async with client.events(['topic=="/tasks/start"']) as subscription:
            running = asyncio.ensure_future(client.containers.run(image, ["sh", "-c", LOOP]))
            await anext(subscription)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await client.containers.list() == []
        assert await client.tasks.list() == []

    play(scene)


def test_a_pull_tells_the_loop_and_can_be_given_up(play, remote):
    remote.push_image("test/big", "v1", [pictures.layer() + bytes(8 << 20)])
    reference = f"{remote.host}/test/big:v1"

    async def scene(client, _):
        loop = asyncio.get_running_loop()
        started = asyncio.Event()

        def report(told):
            assert asyncio.get_running_loop() is loop
            if told.state is progress.State.DOWNLOADING and told.total > 1 << 20:
                started.set()

        pulling = asyncio.ensure_future(client.images.pull(reference, progress=report))
        await started.wait()
        pulling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pulling
        assert (await client.images.pull(reference)).name == reference

    play(scene)


def test_events_come(play):
    async def scene(client, image):
        topics = []

        async def watch():
            async with client.events(["namespace==awaited"]) as subscription:
                async for envelope in subscription:
                    topics.append(envelope.topic)
                    if envelope.topic == "/containers/delete":
                        return

        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            await asyncio.sleep(0)
            while "/images/update" not in topics and "/images/create" not in topics:
                await client.images.tag(image, "bell")
                await asyncio.sleep(0.01)
            await client.containers.run(image, ["true"])
        assert "/tasks/exit" in topics

    play(scene)


def test_nobody_there():
    async def scene():
        with pytest.raises(errors.Unavailable, match="no daemon answers"):
            await boxship.connect_async("/nowhere/at.sock")

    asyncio.run(scene())
