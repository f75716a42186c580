import importlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from boxship.api import (
    any_pb2,
    bootstrap_pb2,
    content_pb2,
    event_types_pb2,
    health_pb2,
    images_pb2,
    pool,
    task_types_pb2,
    tasks_pb2,
    timestamp_pb2,
    types_pb2,
)

API = Path(pool.__file__).parent
MODULES = sorted(path.stem for path in API.glob("*_pb2.py"))

BESIDE_A_STRANGER = """
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
foreign = descriptor_pb2.FileDescriptorProto(name="types.proto", package="containerd.types", syntax="proto3")
kind = foreign.message_type.add(name="Descriptor")
kind.field.add(name="other", number=1, type=descriptor_pb2.FieldDescriptorProto.TYPE_INT64, label=1)
{before}
descriptor_pool.Default().Add(foreign)
Foreign = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("containerd.types.Descriptor"))
{after}
from boxship.api import any_pb2 as our_any_pb2, types_pb2, timestamp_pb2 as our_timestamp_pb2
assert Foreign(other=7).SerializeToString() == bytes([8, 7])
assert types_pb2.Descriptor(digest="d").SerializeToString() == b"\\x12\\x01d"
assert Foreign is not types_pb2.Descriptor
assert our_timestamp_pb2.Timestamp is not timestamp_pb2.Timestamp
theirs, ours = timestamp_pb2.Timestamp(seconds=9, nanos=1), our_timestamp_pb2.Timestamp(seconds=9, nanos=1)
assert theirs.SerializeToString() == ours.SerializeToString()
packed = any_pb2.Any()
packed.Pack(theirs)
assert our_any_pb2.Any.FromString(packed.SerializeToString()).type_url == "type.googleapis.com/google.protobuf.Timestamp"
print("both")
"""
LOAD_OURS = "import boxship.api.types_pb2, boxship.api.timestamp_pb2; boxship.api.types_pb2.Descriptor"


def python(program: str) -> str:
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_another_packages_edition_of_the_messages_may_be_there(first):
    order = {"before": LOAD_OURS, "after": ""} if first == "ours" else {"before": "", "after": LOAD_OURS}
    assert python(BESIDE_A_STRANGER.format(**order)) == "both\n"


def test_the_default_pool_knows_nothing_of_ours():
    from google.protobuf import descriptor_pool

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("containerd.services.content.v1.Info")
    assert pool.POOL.FindMessageTypeByName("containerd.services.content.v1.Info") is content_pb2.Info.DESCRIPTOR


@pytest.mark.parametrize("name", MODULES)
def test_every_message_can_be_made_written_and_read(name):
    module = importlib.import_module(f"boxship.api.{name}")
    kinds = list(module.DESCRIPTOR.message_types_by_name)
    assert kinds
    for kind in kinds:
        made = getattr(module, kind)
        assert made.DESCRIPTOR.file is module.DESCRIPTOR
        assert made.FromString(made().SerializeToString()) == made()


def test_a_class_is_the_same_however_it_is_reached():
    info = content_pb2.Info()
    info.created_at.seconds = 1
    assert type(info.created_at) is timestamp_pb2.Timestamp
    assert pool.message_class(timestamp_pb2.Timestamp.DESCRIPTOR) is timestamp_pb2.Timestamp
    assert isinstance(images_pb2.Image(target=types_pb2.Descriptor(size=1)).target, types_pb2.Descriptor)


def test_threads_that_ask_at_once_get_the_same_class():
    described = pool.POOL.FindMessageTypeByName("containerd.events.TaskOOM")
    found = []
    start = threading.Barrier(8)

    def ask():
        start.wait(timeout=10)
        found.append(pool.message_class(described))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert found == [event_types_pb2.TaskOOM] * 8


def test_values_of_enums_stand_in_the_module():
    assert task_types_pb2.STOPPED == 3
    assert task_types_pb2.Status.Name(task_types_pb2.PAUSED) == "PAUSED"
    assert content_pb2.WriteAction.Value("COMMIT") == content_pb2.COMMIT == 2
    assert bootstrap_pb2.LOG_LEVEL_TRACE == -8
    assert health_pb2.HealthCheckResponse.SERVING == 1


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'boxship.api.content_pb2' has no attribute 'Nothing'"):
        _ = content_pb2.Nothing


def test_optional_fields_know_whether_they_were_set():
    assert not images_pb2.DeleteImageRequest(name="a").HasField("target")
    assert bootstrap_pb2.BootstrapParams(socket_dir="").HasField("socket_dir")


def test_well_known_messages_have_their_conveniences():
    stamp = timestamp_pb2.Timestamp()
    stamp.FromNanoseconds(1_700_000_000_000_000_001)
    assert (stamp.seconds, stamp.nanos) == (1_700_000_000, 1)
    assert any_pb2.Any(type_url="containerd.events.TaskExit").Is(event_types_pb2.TaskExit.DESCRIPTOR) is False


def test_bytes_on_the_wire_are_containerds():
    """Tags and lengths worked out by hand from the field numbers."""
    request = tasks_pb2.CreateTaskRequest(
        container_id="x", terminal=True, task_api_address="a", task_api_version=3, runtime_path="r"
    )
    assert request.SerializeToString().hex() == "0a017838015201725a01616003"
    exited = event_types_pb2.TaskExit(container_id="c", id="e", pid=300, exit_status=137)
    assert exited.SerializeToString().hex() == "0a016312016518ac02208901"
