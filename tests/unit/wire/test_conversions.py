"""What goes over the wire comes back as it was."""

import pytest

from boxship.api import any_pb2, containers_pb2, content_pb2, timestamp_pb2
from boxship.core import containers, content, images, introspection, leases, mounts, namespaces, snapshots, tasks
from boxship.terms import oci, platforms
from boxship.terms.typed import TypedBytes
from boxship.wire import containers as wire_containers
from boxship.wire import content as wire_content
from boxship.wire import images as wire_images
from boxship.wire import introspection as wire_introspection
from boxship.wire import leases as wire_leases
from boxship.wire import masks, processes, times, typed
from boxship.wire import mounts as wire_mounts
from boxship.wire import namespaces as wire_namespaces
from boxship.wire import oci as wire_oci
from boxship.wire import platforms as wire_platforms
from boxship.wire import snapshots as wire_snapshots

DIGEST = "sha256:" + "ab" * 32
TIME = 1_700_000_000_123_456_789
TARGET = oci.Descriptor(media_type=oci.MANIFEST, digest=DIGEST, size=7, annotations={"a": "b"})
ANY = TypedBytes(type_url="example.Thing", value=b"\0\xff")

PAIRS = [
    (wire_content, content.Info(digest=DIGEST, size=7, created_at=TIME, updated_at=None, labels={"a": "b"})),
    (wire_images, images.Image(name="x", target=TARGET, labels={"a": "b"}, created_at=TIME, updated_at=TIME + 1)),
    (wire_leases, leases.Lease(id="l", created_at=TIME, labels={"a": "b"})),
    (wire_namespaces, namespaces.Info(name="n", labels={"a": "b"})),
    (wire_mounts, mounts.Mount(type="bind", source="/a", target="b", options=("ro", "rbind"))),
    (wire_oci, TARGET),
    (
        wire_platforms,
        platforms.Platform(os="linux", architecture="arm64", variant="v8", os_version="1", os_features=("x",)),
    ),
    *(
        (wire_snapshots, snapshots.Info(name="k", kind=kind, parent="p", labels={"a": "b"}, created_at=TIME))
        for kind in snapshots.Kind
    ),
    (wire_containers, containers.Container(id="c", runtime=containers.Runtime(name="r"))),
    (
        wire_containers,
        containers.Container(
            id="c",
            image="i",
            runtime=containers.Runtime(name="r", options=ANY),
            spec=TypedBytes(type_url="types.containerd.io/x", value=b'{"b":1, "a":2}'),
            snapshotter="s",
            snapshot_key="k",
            labels={"a": "b"},
            extensions={"one": ANY, "none": TypedBytes(type_url="", value=b"")},
            sandbox_id="pod",
            created_at=TIME,
            updated_at=TIME,
        ),
    ),
    *(
        (
            processes,
            tasks.Process(
                container_id="c",
                id="e",
                pid=7,
                status=status,
                io=tasks.IO(stdin="/i", stdout="/o", stderr="/e", terminal=True),
                exit_status=137,
                exited_at=TIME,
            ),
        )
        for status in tasks.Status
    ),
    (
        wire_introspection,
        introspection.Plugin(
            type="t",
            id="i",
            requires=("r",),
            platforms=(platforms.Platform(os="linux", architecture="amd64"),),
            exports={"root": "/x"},
            capabilities=("c",),
        ),
    ),
    (wire_introspection, introspection.Plugin(type="t", id="i", error="no such device")),
    (wire_introspection, introspection.Plugin(type="t", id="i", error="no such device", skipped=True)),
    (wire_introspection, introspection.Plugin(type="t", id="i", skipped=True)),
]


@pytest.mark.parametrize(("room", "value"), PAIRS)
def test_there_and_back(room, value):
    message = room.message(value)
    again = type(message).FromString(message.SerializeToString())
    assert room.value(again) == value


def test_a_skipped_part_says_it_as_go_does():
    plugin = introspection.Plugin(type="t", id="i", error="no such device", skipped=True)
    assert wire_introspection.message(plugin).init_err.message == "no such device: skip plugin"
    assert not wire_introspection.message(introspection.Plugin(type="t", id="i")).HasField("init_err")


def test_a_status_that_is_not_known_yet_is_unknown():
    message = processes.message(tasks.Process(container_id="c", id="", pid=1, status=tasks.Status.RUNNING))
    message.status = 77
    assert processes.value(message).status is tasks.Status.UNKNOWN


class TestTimes:
    @pytest.mark.parametrize("time", [0, 1, TIME, -1, -1_500_000_000])
    def test_there_and_back(self, time):
        message = times.message(time)
        assert 0 <= message.nanos < 10**9
        assert times.nanoseconds(message) == time

    def test_unset_is_absent(self):
        assert times.message(None) is None
        assert times.value(content_pb2.Info(), "created_at") is None
        assert not wire_content.message(content.Info(digest=DIGEST)).HasField("created_at")

    def test_the_year_one_is_gos_way_to_say_unset(self):
        message = content_pb2.Info(created_at=timestamp_pb2.Timestamp(seconds=-62_135_596_800))
        assert times.value(message, "created_at") is None


def test_an_empty_mask_means_everything():
    assert masks.message(None) is None
    assert masks.paths(content_pb2.UpdateRequest().update_mask) is None
    assert masks.paths(masks.message(["labels.a", "x"])) == ["labels.a", "x"]


def test_typed_bytes_go_through_untouched():
    message = containers_pb2.Container(spec=any_pb2.Any(type_url="type.googleapis.com/x.Y", value=b"{ }"))
    found = typed.value(message, "spec")
    assert found == TypedBytes(type_url="type.googleapis.com/x.Y", value=b"{ }")
    assert found.name == "x.Y"
    assert typed.value(containers_pb2.Container(), "spec") is None
