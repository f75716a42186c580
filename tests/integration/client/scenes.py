"""What a client can do, whichever daemon is at the other end: a subclass says which."""

import io
import os
import threading
import time

import pytest
from integration.client import pictures

from boxship.core import leases, mounts, tasks
from boxship.plugins.transfer import progress
from boxship.terms import errors, oci, platforms
from boxship.testing import registry
from boxship.wire import events as wire_events

LOOP = "trap 'echo bye; exit 3' USR1; echo ready; while true; do sleep 0.05; done"


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


class Scenes:
    """Needs the fixture `client`, of a wide scope and bound to a namespace of its own."""

    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls):
        with registry.Registry() as made:
            yield made

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, client, remote):
        reference = pictures.push(remote)
        client.images.pull(reference)
        return reference

    @pytest.fixture
    def looping(self, client, image):
        made = client.containers.create(image, ["sh", "-c", LOOP])
        made.start()
        until(lambda: b"ready" in b"".join(made.logs()))
        yield made
        made.remove(force=True)

    # Images

    def test_a_pull_tells_how_it_goes_and_leaves_no_lease(self, client, remote):
        reference = pictures.push(remote, "test/told")
        told = []
        found = client.images.pull(reference, progress=told.append)
        assert found.name == reference
        states = {each.state for each in told}
        assert {progress.State.RESOLVING, progress.State.DONE} <= states
        assert client.leases.list() == []

    def test_a_pull_that_fails_keeps_what_it_fetched_for_the_next_one(self, client, remote):
        repository = "test/broken"
        remote.push_image(repository, "v1", [pictures.layer() + bytes(4 << 20)], {"Cmd": ["true"]})
        reference = f"{remote.host}/{repository}:v1"
        big = max(oci.parse_manifest(remote.storage.manifest(repository, "v1")[0]).layers, key=lambda each: each.size)

        def stop(told):
            if told.name == big.digest and told.done > 1 << 20:
                raise errors.Canceled("the test")

        with pytest.raises(errors.Canceled):
            client.images.pull(reference, progress=stop)
        (lease,) = client.leases.list()
        assert "containerd.io/gc.expire" in lease.labels
        until(lambda: client.content.status(f"layer-{big.digest}").offset > 0)
        told = []
        client.images.pull(reference, progress=told.append)
        assert min(each.done for each in told if each.name == big.digest and each.done) > 1 << 20
        client.leases.delete(lease.id)

    def test_an_image_is_found_by_what_people_call_it(self, client, image):
        client.images.tag(image, "shorty")
        assert client.images.get("shorty").name == "docker.io/library/shorty:latest"
        assert client.images.get("docker.io/library/shorty:latest").target == client.images.get(image).target
        with pytest.raises(errors.AlreadyExists):
            client.images.tag(image, "shorty", force=False)
        assert client.images.remove("shorty", sync=True).name == "docker.io/library/shorty:latest"
        with pytest.raises(errors.NotFound, match="nowhere"):
            client.images.get("nowhere")

    def test_what_an_image_is(self, client, image):
        config = client.images.config(image)
        assert config.cmd == ("echo", "from the image")
        manifest = client.images.manifest(image)
        assert client.images.size(image) >= sum(each.size for each in (*manifest.layers, manifest.config))
        assert client.images.platforms(image) == [platforms.default()]
        with pytest.raises(errors.NotFound, match="s390x"):
            client.images.config(image, "linux/s390x")
        with pytest.raises(errors.NotFound, match="s390x"):
            client.containers.create(image, platform="linux/s390x")

    def test_images_travel_in_archives(self, client, image):
        archive = io.BytesIO()
        client.images.save([image], archive)
        archive.seek(0)
        there = client.namespace(f"{client.namespace_name}-2")
        (loaded,) = there.images.load(archive)
        assert loaded.name == image
        assert there.containers.run(image, ["echo", "loaded"], pull="never").output == b"loaded\n"
        there.images.remove(image, sync=True)

    def test_a_push_stores_the_same(self, client, remote, image):
        target = f"{remote.host}/test/pushed:v2"
        pushed = client.images.push(target, image)
        client.images.pull(target)
        assert client.images.get(target).target.digest == pushed.target.digest
        client.images.remove(target)

    # Running

    def test_output_errors_and_exit_status(self, client, image):
        found = client.containers.run(image, ["sh", "-c", "echo out; echo err >&2; exit 42"])
        assert (found.exit_status, found.output, found.errors) == (42, b"out\n", b"err\n")
        with pytest.raises(errors.Unknown, match="status 42: err"):
            found.check()
        assert client.containers.list() == []

    def test_the_image_says_what_runs(self, client, image):
        assert client.containers.run(image).output == b"from the image\n"
        found = client.containers.run(image, ["sh", "-c", "pwd; echo $COLOR $SHAPE; id -u; hostname"],
                                      env={"SHAPE": "round"}, hostname="here", user="app", name="told")  # fmt: skip
        assert found.output == b"/home\nblue round\n1000\nhere\n"
        assert client.containers.run(image, ["-c", "echo $0"], entrypoint=["sh"]).output == b"sh\n"

    def test_input_reaches_it_and_ends(self, client, image):
        data = os.urandom(300_000)
        assert client.containers.run(image, ["cat"], stdin=io.BytesIO(data)).output == data

    def test_output_is_complete(self, client, image):
        for count in (1, 65_536, 1_000_000):
            found = client.containers.run(image, ["head", "-c", str(count), "/dev/zero"])
            assert len(found.output) == count

    def test_a_terminal(self, client, image):
        found = client.containers.run(image, ["sh", "-c", "tty; echo err >&2"], terminal=True)
        assert found.output == b"/dev/pts/0\r\nerr\r\n"

    def test_streams_are_given_as_they_come(self, client, image):
        came = []
        found = client.containers.run(image, ["echo", "now"], stdout=came.append)
        assert (b"".join(came), found.output) == (b"now\n", b"")

    def test_wishes(self, client, image, tmp_path):
        (tmp_path / "file").write_text("shared")
        found = client.containers.run(
            image,
            ["sh", "-c", "cat /there/file; echo; touch /x 2>/dev/null || echo fixed; ip -o link | wc -l; cat /sys/class/net/*/address"],
            mounts=[mounts.Mount(type="bind", source=str(tmp_path), target="/there", options=("rbind", "ro"))],
            read_only=True,
        )  # fmt: skip
        assert found.output.splitlines()[:2] == [b"shared", b"fixed"]
        assert b"00:00:00:00:00:00" in found.output

    def test_what_cannot_be_is_refused_and_leaves_nothing(self, client, image):
        before = {each.name for each in client.snapshots().walk()}
        for bad in ({"network": "bridge"}, {"security_opt": ["selinux=x"]}, {"cap_add": ["NONSENSE"]}, {"pull": "now"}):
            with pytest.raises(errors.InvalidArgument):
                client.containers.create(image, ["true"], **bad)
        with pytest.raises(errors.InvalidArgument, match="nobody-here"):
            client.containers.create(image, ["true"], user="nobody-here")
        with pytest.raises(errors.NotFound):
            client.containers.create("nowhere/at:all", ["true"], pull="never")
        with pytest.raises(errors.Error):
            client.containers.run(image, ["/no/such/program"])
        assert client.containers.list() == []
        assert client.tasks.list() == []
        assert {each.name for each in client.snapshots().walk()} == before

    def test_a_name_is_taken_once(self, client, looping, image):
        with pytest.raises(errors.AlreadyExists):
            client.containers.create(image, ["true"], name=looping.id)
        assert looping.status().status is tasks.Status.RUNNING

    def test_labels_of_the_image_do_not_steer(self, client, image):
        made = client.containers.create(image, ["true"], labels={"mine": "too"})
        kept = dict(made.info().labels)
        log = kept.pop("boxship.log")
        assert kept == {"kept": "yes", "mine": "too", "io.containerd.image.config.stop-signal": "SIGUSR1"}
        assert log != "/etc/shadow"
        made.remove()

    # Living containers

    def test_a_container_from_start_to_end(self, client, looping):
        state = looping.status()
        assert (state.status, state.exit_status) == (tasks.Status.RUNNING, None)
        assert state.pid > 0
        assert [each.id for each in client.containers.list(all=False)] == [looping.id]
        assert client.containers.states()[looping.id].status is tasks.Status.RUNNING
        with pytest.raises(errors.FailedPrecondition):
            looping.remove()
        with pytest.raises(errors.AlreadyExists):
            looping.start()
        assert looping.stop(10).status == 3
        assert looping.status().exit_status == 3
        assert looping.wait().status == 3
        assert b"".join(looping.logs()) == b"ready\nbye\n"
        assert b"".join(looping.logs(tail=1)) == b"bye\n"
        assert client.containers.list(all=False) == []
        looping.start()
        assert looping.status().status is tasks.Status.RUNNING

    def test_one_that_does_not_listen_is_killed(self, client, image):
        made = client.containers.create(image, ["sh", "-c", "trap '' USR1; while true; do sleep 0.05; done"])
        made.start()
        assert made.stop(0.2).status == 137
        made.remove()

    def test_exec(self, looping):
        found = looping.exec(["sh", "-c", "id; pwd; echo $A; exit 7"], user="app", env={"A": "b"}, cwd="/tmp")
        assert found.exit_status == 7
        assert found.output == b"uid=1000(app) gid=1001(app) groups=1001(app),2000(extra)\n/tmp\nb\n"
        assert looping.exec(["cat"], stdin=io.BytesIO(b"in")).output == b"in"
        with pytest.raises(errors.Error):
            looping.exec(["/no/such/program"])

    def test_an_exec_may_leave_something_running(self, looping):
        started = time.monotonic()
        assert looping.exec(["sh", "-c", "sleep 50 & echo left"]).output == b"left\n"
        assert time.monotonic() - started < 30

    def test_an_exec_with_a_terminal(self, looping):
        came = []
        with looping.spawn(
            ["sh", "-c", "sleep 0.2; stty size 2>/dev/null; tty"], terminal=True, stdout=came.append
        ) as p:
            p.resize(100, 40)
            assert p.wait() == 0
            assert p.delete() == 0
        assert b"/dev/pts/" in b"".join(came)

    def test_pausing(self, looping):
        looping.pause()
        assert looping.status().status is tasks.Status.PAUSED
        looping.resume()
        assert looping.status().status is tasks.Status.RUNNING

    def test_a_paused_one_can_be_removed(self, client, image):
        made = client.containers.create(image, ["sh", "-c", LOOP])
        made.start()
        made.pause()
        made.remove(force=True)
        assert client.containers.list() == []

    def test_numbers(self, client, image):
        made = client.containers.create(image, ["sleep", "60"], memory=64 << 20, pids_limit=33)
        made.start()
        found = made.stats()
        assert (found.memory_limit, found.pids_limit, found.pids) == (64 << 20, 33, 1)
        assert found.cpu > 0
        assert [each.pid for each in made.processes()] == [made.status().pid]
        made.remove(force=True)

    def test_logs_are_followed_to_the_end(self, client, image):
        made = client.containers.create(image, ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"])
        made.start()
        assert b"".join(made.logs(follow=True)) == b"1\n2\n3\n"
        made.remove()

    def test_attached_ones_keep_a_log_too(self, client, image):
        client.containers.run(image, ["echo", "noted"], name="noted", remove=False)
        made = client.containers.get("noted")
        assert b"".join(made.logs()) == b"noted\n"
        path = made.record.labels["boxship.log"]
        assert os.path.exists(path)
        made.remove()
        assert not os.path.exists(path)

    def test_labels_can_be_changed(self, client, looping):
        client.containers.label(looping.id, {"a": "1", "kept": ""})
        assert looping.info().labels["a"] == "1"
        assert "kept" not in looping.info().labels

    # The plain services

    def test_events_come(self, client, image):
        topics, fields = [], []
        subscription = client.events([f"namespace=={client.namespace_name}"])

        def watch():
            for envelope in subscription:
                topics.append(envelope.topic)
                fields.append(wire_events.decode(envelope.event).fields)

        watcher = threading.Thread(target=watch)
        watcher.start()

        def seen():
            client.images.tag(image, "bell")
            return "/images/create" in topics or "/images/update" in topics

        until(seen)
        client.containers.run(image, ["sh", "-c", "exit 9"], name="heard")
        until(lambda: "/containers/delete" in topics)
        subscription.close()
        watcher.join(10)
        assert [each for each in topics if each.startswith("/tasks")] == [
            "/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]  # fmt: skip
        assert fields[topics.index("/tasks/exit")]["exit_status"] == 9

    def test_content_and_leases(self, client):
        data = os.urandom(100_000)
        lease = client.leases.create("mine")
        held = client.lease(lease.id)
        with held.content.writer("a-ref", total=len(data)) as writer:
            writer.write(data)
            digest = writer.commit(len(data), "")
        assert [each.id for each in client.leases.list_resources("mine")] == [digest]
        assert leases.Resource(id=digest, type="content") in client.leases.list_resources("mine")
        with client.content.reader(oci.Descriptor(media_type="", digest=digest, size=len(data))) as reader:
            assert reader.read_at(10, 20) == data[10:30]
        assert digest in [each.digest for each in client.content.walk()]
        client.leases.delete("mine", synchronous=True)

    def test_namespaces_are_apart(self, client, image):
        elsewhere = client.namespace(f"{client.namespace_name}-3")
        assert elsewhere.images.list() == []
        with pytest.raises(errors.NotFound):
            elsewhere.images.get(image)

    def test_what_the_daemon_is(self, client):
        found = client.info()
        assert found.version == client.version()
        assert found.snapshotter in found.snapshotters
        assert os.path.isdir(found.root)
