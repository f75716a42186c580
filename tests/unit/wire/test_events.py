import dataclasses

import pytest

from boxship.api import event_types_pb2, types_pb2
from boxship.core import events, mounts
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import events as wire

CREATE = events.Event(
    name="containerd.events.TaskCreate",
    fields={
        "container_id": "c",
        "bundle": "/b",
        "rootfs": [mounts.Mount(type="bind", source="/a", options=("ro",))],
        "io": {"stdout": "/o", "terminal": True},
        "pid": 7,
    },
)


def test_fields_become_the_message_of_that_name():
    encoded = wire.encode(CREATE)
    assert encoded.type_url == "containerd.events.TaskCreate"
    message = event_types_pb2.TaskCreate.FromString(encoded.value)
    assert (message.container_id, message.pid, message.io.terminal) == ("c", 7, True)
    assert message.rootfs[0] == types_pb2.Mount(type="bind", source="/a", options=["ro"])


def test_times_and_maps_and_typed_bytes():
    options = TypedBytes(type_url="x.Y", value=b"z")
    one = events.Event(
        name="containerd.events.TaskExit", fields={"id": "c", "exited_at": 1_000_000_007, "exit_status": 1}
    )
    two = events.Event(
        name="containerd.events.ContainerCreate", fields={"id": "c", "runtime": {"name": "r", "options": options}}
    )
    three = events.Event(name="containerd.services.images.v1.ImageCreate", fields={"name": "i", "labels": {"a": "b"}})
    for event in (one, two, three):
        assert wire.decode(wire.encode(event)) == event


def test_bytes_stay_bytes():
    payload = TypedBytes(type_url="unknown.Thing", value=b"\0")
    assert wire.encode(payload) is payload
    assert wire.decode(payload) is None


@pytest.mark.parametrize(
    "event", [events.Event(name="containerd.events.Nothing"), dataclasses.replace(CREATE, fields={"nothing": 1})]
)
def test_what_has_no_message_is_a_fault_of_ours(event):
    with pytest.raises(errors.Internal, match=r"[Nn]othing"):
        wire.encode(event)


def test_filters_may_ask_texts_truths_maps_and_what_is_nested():
    found = wire.fields(wire.encode(CREATE))
    assert found["container_id"] == "c"
    assert found["io"] == {"stdin": "", "stdout": "/o", "stderr": "", "terminal": "true"}
    assert found["pid"] is None
    assert "rootfs" not in found
    update = events.Event(name="containerd.events.ContainerUpdate", fields={"labels": {"a.b": "c"}})
    assert wire.fields(wire.encode(update))["labels"] == {"a.b": "c"}


def test_an_unknown_payload_cannot_be_asked():
    with pytest.raises(errors.NotFound):
        wire.fields(TypedBytes(type_url="unknown.Thing", value=b""))
    with pytest.raises(errors.NotFound):
        wire.fields(TypedBytes(type_url="containerd.events.TaskStart", value=b"\xff"))


def test_the_prefix_of_other_senders_is_understood():
    encoded = wire.encode(CREATE)
    prefixed = TypedBytes(type_url=f"type.googleapis.com/{encoded.type_url}", value=encoded.value)
    assert wire.fields(prefixed)["container_id"] == "c"


def test_envelopes():
    envelope = events.Envelope(timestamp=5, namespace="n", topic="/t", event=wire.encode(CREATE))
    assert wire.envelope(wire.envelope_message(envelope)) == envelope
    with pytest.raises(errors.InvalidArgument, match="timestamp must be set"):
        wire.envelope(types_pb2.Envelope(namespace="n", topic="/t"))
