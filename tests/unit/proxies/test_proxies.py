"""Every proxy against the service it asks, awaited and not, over a socketpair; the rest of the daemon is played."""

import asyncio
import contextlib
import socket
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from boxship.core import introspection, mounts, tasks
from boxship.plugins.events import exchange
from boxship.proxies import async_callers, callers
from boxship.proxies._async import content as async_content
from boxship.proxies._async import events as async_events
from boxship.proxies._async import introspection as async_introspection
from boxship.proxies._async import snapshots as async_snapshots
from boxship.proxies._async import tasks as async_tasks
from boxship.proxies._sync import containers, diff
from boxship.proxies._sync import introspection as sync_introspection
from boxship.proxies._sync import tasks as sync_tasks
from boxship.proxies._sync import version as sync_version
from boxship.rpc import aio, client, server
from boxship.services.containers import ContainersService
from boxship.services.content import ContentService
from boxship.services.diff import DiffService
from boxship.services.events import EventsService
from boxship.services.introspection import IntrospectionService
from boxship.services.snapshots import SnapshotsService
from boxship.services.tasks import TasksService
from boxship.services.version import VersionService
from boxship.terms import digests, errors, oci
from boxship.terms.typed import TypedBytes
from boxship.testing.containers import container
from boxship.testing.metadata import open_database
from boxship.wire import errors as wire_errors
from boxship.wire import events as wire_events
from boxship.wire import methods as tables

LAYER = oci.Descriptor(media_type=oci.LAYER_GZIP, digest=digests.of(b"layer"), size=5)
APPLIED = oci.Descriptor(media_type=oci.LAYER, digest=digests.of(b"tar"), size=9)
BIND = mounts.Mount(type="bind", source="/a", options=("ro",))
ANY = TypedBytes(type_url="x.Y", value=b"z")
PROCESS = tasks.Process(container_id="c", id="", pid=7, status=tasks.Status.RUNNING, io=tasks.IO(stdout="/o"))
EXIT = tasks.Exit(id="", pid=7, status=137, exited_at=5)


@dataclass
class Played:
    """Remembers what it was asked, and answers what it was told to."""

    answers: dict[str, Any]
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def __getattr__(self, name):
        if name not in self.answers:
            raise AttributeError(name)

        def answer(*values, **more):
            self.asked.append((name, *values, *sorted(more.items())))
            found = self.answers[name]
            if isinstance(found, Exception):
                raise found
            return found

        return answer


@contextlib.contextmanager
def serving(*adapters, without=()):
    """One end of a connection on which these adapters answer, except for some methods."""
    handlers = [
        handler
        for adapter in adapters
        for handler in tables.handlers(adapter.SERVICE, adapter)
        if handler.method.name not in without
    ]
    made = server.Server(handlers, translate=wire_errors.to_status)
    ours, theirs = socket.socketpair()
    made.adopt(ours)
    yield theirs
    made.shutdown(0)


@contextlib.contextmanager
def calling(*adapters, without=()):
    with serving(*adapters, without=without) as connection, client.Channel(connection) as channel:
        yield callers.Caller(channel, "n", lease="l")


def awaiting(scenario, *adapters):
    """Run `scenario(caller)` in a loop."""

    async def run(connection):
        async with await aio.Channel.adopt(connection) as channel:
            return await asyncio.wait_for(scenario(async_callers.AsyncCaller(channel, "n")), 20)

    with serving(*adapters) as connection:
        return asyncio.run(run(connection))


def wait_for_exit(ended=None):
    future = Future()
    if ended is not None:
        future.set_result(ended)
    return future


MANAGER = {
    "create": 7,
    "start": 8,
    "delete": EXIT,
    "delete_process": EXIT,
    "get": PROCESS,
    "list": [PROCESS],
    "kill": None,
    "exec": None,
    "resize_pty": None,
    "close_io": None,
    "pause": None,
    "resume": None,
    "pids": [tasks.ProcessInfo(pid=7), tasks.ProcessInfo(pid=8, info=ANY)],
    "checkpoint": [LAYER],
    "update": None,
    "metrics": [tasks.Metric(id="c", timestamp=5, data=ANY)],
}


class TestTasks:
    @pytest.fixture
    def manager(self):
        return Played({**MANAGER, "wait": wait_for_exit(EXIT)})

    @pytest.fixture
    def proxy(self, manager):
        namespaces = []

        def managers(namespace):
            namespaces.append(namespace)
            return manager

        with calling(TasksService(managers)) as caller:
            yield sync_tasks.TasksProxy(caller)
        assert set(namespaces) <= {"n"}

    def test_everything_arrives_as_it_was_said(self, proxy, manager):
        io = tasks.IO(stdin="/i", stdout="/o", stderr="/e", terminal=True)
        assert proxy.create("c", rootfs=[BIND], io=io, checkpoint=LAYER, options=ANY, runtime_path="/r") == 7
        assert proxy.start("c", "e") == 8
        assert proxy.get("c", "e") == PROCESS
        assert proxy.list("x") == [PROCESS]
        proxy.kill("c", signal=9, exec_id="e", all=True)
        proxy.exec("c", "e", io=io, spec=ANY)
        proxy.resize_pty("c", width=3, height=4, exec_id="e")
        proxy.close_io("c", stdin=True, exec_id="e")
        proxy.pause("c")
        proxy.resume("c")
        assert proxy.pids("c") == MANAGER["pids"]
        assert proxy.checkpoint("c", parent="p", options=ANY) == [LAYER]
        proxy.update("c", resources=ANY, annotations={"a": "b"})
        assert proxy.metrics(["id==c"]) == MANAGER["metrics"]
        assert proxy.delete("c") == EXIT
        assert proxy.delete_process("c", "e") == tasks.Exit(id="e", pid=7, status=137, exited_at=5)
        assert manager.asked == [
            (
                "create",
                "c",
                ("checkpoint", LAYER),
                ("io", io),
                ("options", ANY),
                ("rootfs", [BIND]),
                ("runtime_path", "/r"),
            ),
            ("start", "c", "e"),
            ("get", "c", "e"),
            ("list", "x"),
            ("kill", "c", ("all", True), ("exec_id", "e"), ("signal", 9)),
            ("exec", "c", "e", ("io", io), ("spec", ANY)),
            ("resize_pty", "c", ("exec_id", "e"), ("height", 4), ("width", 3)),
            ("close_io", "c", ("exec_id", "e"), ("stdin", True)),
            ("pause", "c"),
            ("resume", "c"),
            ("pids", "c"),
            ("checkpoint", "c", ("options", ANY), ("parent", "p")),
            ("update", "c", ("annotations", {"a": "b"}), ("resources", ANY)),
            ("metrics", ["id==c"]),
            ("delete", "c"),
            ("delete_process", "c", "e"),
        ]

    def test_nothing_is_nothing(self, proxy, manager):
        proxy.create("c", rootfs=[], io=tasks.IO())
        assert manager.asked == [
            (
                "create",
                "c",
                ("checkpoint", None),
                ("io", tasks.IO()),
                ("options", None),
                ("rootfs", []),
                ("runtime_path", ""),
            )
        ]

    def test_waiting_takes_as_long_as_it_takes(self, proxy, manager):
        source = manager.answers["wait"] = wait_for_exit()
        ended = proxy.wait("c", "e")
        assert proxy.start("c") == 8  # others are answered meanwhile
        assert not ended.done()
        source.set_result(EXIT)
        assert ended.result(10) == tasks.Exit(status=137, exited_at=5)

    @pytest.mark.parametrize("late", [False, True])
    def test_waiting_for_what_is_not_there(self, proxy, manager, late):
        source = wait_for_exit()
        source.set_exception(errors.NotFound("task c"))
        manager.answers["wait"] = source if late else errors.NotFound("task c")
        with pytest.raises(errors.NotFound, match=r"^task c: not found$"):
            proxy.wait("c").result(10)

    def test_an_exec_needs_an_id(self, proxy):
        with pytest.raises(errors.InvalidArgument, match="exec id cannot be empty"):
            proxy.exec("c", "", io=tasks.IO(), spec=ANY)

    def test_awaited(self, manager):
        async def scenario(caller):
            proxy = async_tasks.TasksProxy(caller)
            assert await proxy.create("c", rootfs=[BIND], io=tasks.IO()) == 7
            assert [process async for process in _items(proxy.list())] == [PROCESS]
            return await proxy.wait("c")

        assert awaiting(scenario, TasksService(lambda _: manager)) == tasks.Exit(status=137, exited_at=5)


async def _items(coming):
    for item in await coming:
        yield item


def test_layers():
    played = Played({"apply": APPLIED, "compare": LAYER})
    book = SimpleNamespace(namespace=lambda name, lease: SimpleNamespace(content=(name, lease)))
    stores = []

    def differ(store):
        stores.append(store)
        return played

    with calling(DiffService(book, differ)) as caller:
        proxy = diff.DiffProxy(caller)
        assert proxy.apply(LAYER, [BIND], payloads={"p": ANY}, sync_fs=True) == APPLIED
        made = proxy.compare([BIND], [], media_type=oci.LAYER, ref="r", labels={"a": "b"}, source_date_epoch=5)
        assert made == LAYER
    assert stores == [("n", "l")] * 2
    assert played.asked == [
        ("apply", LAYER, [BIND], ("payloads", {"p": ANY}), ("sync_fs", True)),
        (
            "compare",
            [BIND],
            [],
            ("labels", {"a": "b"}),
            ("media_type", oci.LAYER),
            ("ref", "r"),
            ("source_date_epoch", 5),
        ),
    ]


class TestIntrospection:
    PLUGIN = introspection.Plugin(type="t", id="i", capabilities=("c",))

    def played(self):
        server_ = introspection.Server(
            uuid="u", pid=3, pidns=4, deprecations=(introspection.Deprecation(id="d", message="m", last_occurrence=5),)
        )
        return Played(
            {
                "plugins": [self.PLUGIN],
                "plugin_info": (self.PLUGIN, ANY),
                "server": server_,
                "version": introspection.Version(version="v2", revision="r"),
            }
        )

    def test_what_a_daemon_says_of_itself(self):
        played = self.played()
        with calling(IntrospectionService(played), VersionService(played)) as caller:
            proxy = sync_introspection.IntrospectionProxy(caller)
            assert proxy.plugins(["id==i"]) == [self.PLUGIN]
            assert proxy.plugin_info("t", "i", ANY) == (self.PLUGIN, ANY)
            assert proxy.server() == played.answers["server"]
            assert sync_version.VersionProxy(caller).version() == played.answers["version"]

    def test_an_older_daemon_has_no_info(self):
        with calling(IntrospectionService(self.played()), without={"PluginInfo"}) as caller:
            assert sync_introspection.IntrospectionProxy(caller).plugin_info("t", "i") == (self.PLUGIN, None)

    def test_awaited(self):
        played = self.played()

        async def scenario(caller):
            return await async_introspection.IntrospectionProxy(caller).server()

        assert awaiting(scenario, IntrospectionService(played)) == played.answers["server"]


@pytest.mark.parametrize("without", [(), {"ListStream"}])
def test_containers_come_as_a_stream_or_at_once(tmp_path, without):
    with open_database(tmp_path) as book, calling(ContainersService(book), without=without) as caller:
        proxy = containers.ContainersProxy(caller.bind())
        for name in ("b", "a"):
            proxy.create(container(name))
        assert [each.id for each in proxy.list()] == ["a", "b"]
        assert [each.id for each in proxy.list(["id==b"])] == ["b"]


def test_awaited_content_and_snapshots(tmp_path):
    data = bytes(range(256)) * 40_000
    descriptor = oci.Descriptor(media_type="", digest=digests.of(data), size=len(data))

    async def scenario(caller):
        store = async_content.ContentProxy(caller)
        async with await store.writer("r", total=len(data), expected=descriptor.digest) as writer:
            await writer.write(data)
            await writer.commit(len(data), descriptor.digest, {"a": "b"})
        with pytest.raises(errors.AlreadyExists):
            await store.writer("r", expected=descriptor.digest)
        async with await store.reader(descriptor) as reader:
            assert await reader.read_at(5, 1 << 30) == data[5:]
            assert await reader.read_at(len(data), 1) == b""
        snapshotter = async_snapshots.SnapshotsProxy(caller, "native")
        await snapshotter.prepare("k")
        return [info.digest async for info in store.walk()], [info.name async for info in snapshotter.walk()]

    with open_database(tmp_path) as book:
        assert awaiting(scenario, ContentService(book), SnapshotsService(book)) == ([descriptor.digest], ["k"])


class TestAwaitedEvents:
    @pytest.fixture
    def service(self):
        made = exchange.Exchange(encode=wire_events.encode, fields=wire_events.fields)
        yield EventsService(made)
        made.close()

    def test_what_is_said_is_heard(self, service):
        async def scenario(caller):
            proxy = async_events.EventsProxy(caller)
            async with proxy.subscribe(['topic=="/a"']) as subscription:
                await proxy.publish("n", "/b", ANY)
                await proxy.publish("n", "/a", ANY)
                return await anext(subscription)

        envelope = awaiting(scenario, service)
        assert (envelope.namespace, envelope.topic, envelope.event) == ("n", "/a", ANY)

    def test_closing_ends_it(self, service):
        async def scenario(caller):
            subscription = async_events.EventsProxy(caller).subscribe()
            async with subscription:
                pass
            unused = async_events.EventsProxy(caller).subscribe()
            await unused.close()
            return [envelope async for envelope in subscription]

        assert awaiting(scenario, service) == []


class TestCallers:
    def test_a_lost_connection_is_unavailable(self):
        with calling(VersionService(Played({"version": introspection.Version(version="v")}))) as caller:
            caller.channel.close()
            with pytest.raises((errors.Unavailable, errors.Canceled)):
                sync_version.VersionProxy(caller).version()

    def test_binding_keeps_what_is_not_said(self):
        bound = callers.Caller(SimpleNamespace(), "n", lease="l", timeout=3.0).bind(lease="m")
        assert (bound.namespace, bound.lease, bound.timeout) == ("n", "m", 3.0)
        assert bound.headers["containerd-lease"] == "m"

    def test_unknown_services_are_not_implemented(self):
        with (
            calling(VersionService(Played({}))) as caller,
            pytest.raises(errors.NotImplemented, match="unknown service"),
        ):
            sync_introspection.IntrospectionProxy(caller).server()
