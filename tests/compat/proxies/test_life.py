"""The life of a container through our proxies: the same against our daemon and against the original."""

import io
import json
import os
import signal
import tarfile
from collections.abc import Iterator

import pytest
from conformance import wire_positions

from boxship.core import containers, events, tasks
from boxship.proxies import callers
from boxship.proxies._sync.containers import ContainersProxy
from boxship.proxies._sync.content import ContentProxy
from boxship.proxies._sync.diff import DiffProxy
from boxship.proxies._sync.events import EventsProxy
from boxship.proxies._sync.introspection import IntrospectionProxy
from boxship.proxies._sync.leases import LeasesProxy
from boxship.proxies._sync.snapshots import SnapshotsProxy
from boxship.proxies._sync.tasks import TasksProxy
from boxship.proxies._sync.version import VersionProxy
from boxship.terms import digests, errors, oci
from boxship.terms.typed import TypedBytes
from boxship.wire import events as wire_events

pytestmark = [pytest.mark.root, pytest.mark.peer, pytest.mark.slow]

BUSYBOX = "/bin/busybox"
SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process"
PATIENCE = 30


@pytest.fixture(scope="module", params=["boxshipd", "containerd"])
def channel(request, tmp_path_factory):
    if not os.path.exists(BUSYBOX):
        pytest.skip(f"needs {BUSYBOX}")
    with wire_positions.position(request.param, tmp_path_factory.mktemp("life")) as opened:
        yield opened


@pytest.fixture
def caller(channel) -> Iterator[callers.Caller]:
    bound = callers.Caller(channel, wire_positions.fresh_name(), timeout=PATIENCE)
    lease = LeasesProxy(bound).create()
    yield bound.bind(lease=lease.id)
    LeasesProxy(bound).delete(lease.id, synchronous=True)


def layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "dev", "proc", "sys", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo("bin/busybox")
        entry.mode, entry.size = 0o755, os.path.getsize(BUSYBOX)
        with open(BUSYBOX, "rb") as file:
            tar.addfile(entry, file)
        for name in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname, link.mode = tarfile.LNKTYPE, "bin/busybox", 0o755
            tar.addfile(link)
    return buffer.getvalue()


def process(*arguments: str) -> dict:
    return {"args": list(arguments), "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}


def spec(*arguments: str) -> TypedBytes:
    mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}]
    namespaces = [{"type": name} for name in ("pid", "ipc", "uts", "mount", "network")]
    document = {
        "ociVersion": "1.0.2",
        "process": process(*arguments),
        "root": {"path": "rootfs"},
        "mounts": mounts,
        "linux": {"namespaces": namespaces},
    }
    return TypedBytes(type_url=SPEC, value=json.dumps(document).encode())


@pytest.fixture
def image(caller) -> str:
    """A committed snapshot with a shell, unpacked by the daemon."""
    data = layer()
    descriptor = oci.Descriptor(media_type=oci.LAYER, digest=digests.of(data), size=len(data))
    store = ContentProxy(caller)
    with store.writer("layer", total=len(data), expected=descriptor.digest) as writer:
        writer.write(data)
        writer.commit(len(data), descriptor.digest)
    snapshotter = SnapshotsProxy(caller, "overlayfs")
    applied = DiffProxy(caller).apply(descriptor, snapshotter.prepare("extract"))
    assert applied.digest == descriptor.digest
    snapshotter.commit("image", "extract")
    return "image"


@pytest.fixture
def create(caller, image):
    """Makes a task out of a command; all of them go at the end."""
    made = []

    def make(id: str, *arguments: str) -> TasksProxy:
        mounts = SnapshotsProxy(caller, "overlayfs").prepare(id, image)
        ContainersProxy(caller).create(
            containers.Container(
                id=id,
                runtime=containers.Runtime(name="io.containerd.runc.v2"),
                spec=spec(*arguments),
                snapshotter="overlayfs",
                snapshot_key=id,
            )
        )
        made.append(id)
        proxy = TasksProxy(caller)
        assert proxy.create(id, rootfs=mounts, io=tasks.IO()) > 1
        return proxy

    yield make
    proxy = TasksProxy(caller)
    for id in made:
        try:
            ended = proxy.wait(id)
            if proxy.get(id).status is not tasks.Status.STOPPED:
                proxy.kill(id, signal=signal.SIGKILL, all=True)
            ended.result(PATIENCE)
            proxy.delete(id)
        except errors.NotFound:
            pass
        ContainersProxy(caller).delete(id)
        SnapshotsProxy(caller, "overlayfs").remove(id)


def test_from_created_to_deleted(create):
    proxy = create("one", "/bin/sh", "-c", "exit 42")
    assert proxy.get("one").status is tasks.Status.CREATED
    ended = proxy.wait("one")
    pid = proxy.start("one")
    exit_ = ended.result(PATIENCE)
    assert exit_.status == 42
    assert exit_.exited_at is not None
    found = proxy.get("one")
    assert (found.status, found.exit_status, found.pid) == (tasks.Status.STOPPED, 42, pid)
    assert proxy.wait("one").result(PATIENCE).status == 42
    deleted = proxy.delete("one")
    assert (deleted.pid, deleted.status, deleted.exited_at) == (pid, 42, exit_.exited_at)
    for ask in (proxy.get, proxy.delete, proxy.start):
        with pytest.raises(errors.NotFound):
            ask("one")


def test_while_it_runs(create):
    proxy = create("one", "/bin/sleep", "1000")
    pid = proxy.start("one")
    assert [(each.container_id or each.id, each.status) for each in proxy.list()] == [("one", tasks.Status.RUNNING)]
    assert [info.pid for info in proxy.pids("one")] == [pid]
    proxy.pause("one")
    assert proxy.get("one").status is tasks.Status.PAUSED
    proxy.resume("one")
    assert proxy.get("one").status is tasks.Status.RUNNING
    metrics = proxy.metrics()
    assert [metric.id for metric in metrics] == ["one"]
    assert metrics[0].data.name in {"io.containerd.cgroups.v1.Metrics", "io.containerd.cgroups.v2.Metrics"}
    ended = proxy.wait("one")
    proxy.kill("one", signal=signal.SIGTERM)
    proxy.kill("one", signal=signal.SIGKILL)
    assert ended.result(PATIENCE).status == 137
    with pytest.raises(errors.NotFound):
        proxy.kill("one", signal=signal.SIGKILL)


def test_execs(create):
    proxy = create("one", "/bin/sleep", "1000")
    proxy.start("one")
    spec = TypedBytes(type_url=PROCESS, value=json.dumps(process("/bin/sh", "-c", "exit 7")).encode())
    proxy.exec("one", "e", io=tasks.IO(), spec=spec)
    assert proxy.get("one", "e").status is tasks.Status.CREATED
    with pytest.raises(errors.AlreadyExists):
        proxy.exec("one", "e", io=tasks.IO(), spec=spec)
    ended = proxy.wait("one", "e")
    pid = proxy.start("one", "e")
    assert ended.result(PATIENCE).status == 7
    found = proxy.delete_process("one", "e")
    assert (found.id, found.pid, found.status) == ("e", pid, 7)


def test_events_tell_the_whole_life(caller, create):
    with EventsProxy(caller).subscribe([f"namespace=={caller.namespace},topic~=|^/tasks/|"]) as subscription:
        subscription.poll()
        proxy = create("one", "/bin/sh", "-c", "exit 3")
        ended = proxy.wait("one")
        proxy.start("one")
        ended.result(PATIENCE)
        proxy.delete("one")
        heard: list[events.Envelope] = []
        for envelope in subscription:
            heard.append(envelope)
            if envelope.topic == "/tasks/delete":
                break
    assert [envelope.topic for envelope in heard] == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
    exit_ = wire_events.decode(heard[2].event)
    assert exit_ is not None
    assert (exit_.name, exit_.fields["id"], exit_.fields["exit_status"]) == ("containerd.events.TaskExit", "one", 3)


def test_a_difference_becomes_a_layer_and_a_layer_the_same_files(caller, create):
    proxy = create("one", "/bin/sh", "-c", "echo changed > /tmp/file; rm /bin/sleep")
    ended = proxy.wait("one")
    proxy.start("one")
    assert ended.result(PATIENCE).status == 0
    snapshotter = SnapshotsProxy(caller, "overlayfs")
    made = DiffProxy(caller).compare(
        snapshotter.view("below", "image"), snapshotter.mounts("one"), media_type=oci.LAYER
    )
    with (
        ContentProxy(caller).reader(made) as reader,
        tarfile.open(fileobj=io.BytesIO(reader.read_at(0, made.size))) as tar,
    ):
        names = {name for name in tar.getnames() if not tar.getmember(name).isdir() and not name.startswith("dev/")}
    assert names == {"tmp/file", "bin/.wh.sleep"}
    snapshotter.remove("below")


def test_who_it_is(caller):
    assert VersionProxy(caller).version().version
    proxy = IntrospectionProxy(caller)
    assert len(proxy.server().uuid) == 36
    plugin, _ = proxy.plugin_info("io.containerd.snapshotter.v1", "overlayfs")
    assert (plugin.id, plugin.error) == ("overlayfs", "")
    with pytest.raises(errors.NotFound):
        proxy.plugin_info("io.containerd.snapshotter.v1", "nothing")
