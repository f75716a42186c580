"""What shims are told and what they answer, in each of its forms."""

import json

import pytest

from boxship.api import any_pb2, bootstrap_pb2, runc_options_pb2, task_v3_pb2, types_pb2
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import shims

OPTIONS = TypedBytes(
    type_url="containerd.runc.v1.Options", value=runc_options_pb2.Options(binary_name="crun").SerializeToString()
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"unix:///run/s/1\n", (2, "unix:///run/s/1", "ttrpc")),
        (b'{"version":3,"address":"unix:///run/s/1","protocol":"ttrpc"}', (3, "unix:///run/s/1", "ttrpc")),
        (b'{"version":2,"address":"unix:///run/s/1","protocol":"GRPC"}', (2, "unix:///run/s/1", "grpc")),
        (
            bootstrap_pb2.BootstrapResult(version=3, address="unix:///run/s/1", protocol="ttrpc").SerializeToString(),
            (3, "unix:///run/s/1", "ttrpc"),
        ),
    ],
)
def test_where_a_shim_is(said, expected):
    found = shims.endpoint(said)
    assert (found.version, found.address, found.protocol) == expected
    assert shims.endpoint(found.to_json().encode()) == found


@pytest.mark.parametrize("said", [b"", b"panic: no\n", b'{"version":2}', b"\xff\xfe", b"unix://" + b"x" * 5000])
def test_what_is_no_place_is_refused(said):
    with pytest.raises(errors.Unknown, match="did not say where it is"):
        shims.endpoint(said)


def test_an_edition_of_the_future_is_refused():
    with pytest.raises(errors.NotImplemented, match=r"unsupported shim version \(4\)"):
        shims.endpoint(json.dumps({"version": 4, "address": "unix:///x", "protocol": "ttrpc"}).encode())


def test_parameters_of_both_ages():
    said = shims.parameters(
        id="a", namespace="n", ttrpc="/t", grpc="/g", binary="/b", options=OPTIONS, sockets="/s", debug=True
    )
    params = bootstrap_pb2.BootstrapParams.FromString(said)
    assert (params.instance_id, params.namespace, params.log_level) == ("a", "n", bootstrap_pb2.LOG_LEVEL_DEBUG)
    assert params.extensions[0].value.type_url == "containerd.runc.v1.Options"
    assert any_pb2.Any.FromString(shims.legacy_parameters(OPTIONS)).value == OPTIONS.value
    assert shims.legacy_parameters(None) == b""


def test_how_a_task_ended():
    said = task_v3_pb2.DeleteResponse(pid=7, exit_status=137).SerializeToString()
    exit_ = shims.deleted(said)
    assert (exit_.pid, exit_.status, exit_.exited_at) == (7, 137, None)
    with pytest.raises(errors.Unknown, match="cannot be read"):
        shims.deleted(b"cannot do that")


def test_where_a_checkpoint_goes():
    value = runc_options_pb2.CheckpointOptions(image_path="/p").SerializeToString()
    assert shims.checkpoint_path(TypedBytes(type_url="containerd.runc.v1.CheckpointOptions", value=value)) == "/p"
    assert shims.checkpoint_path(TypedBytes(type_url="else", value=value)) == ""
    assert shims.checkpoint_path(None) == ""


def test_which_runtime_is_asked_for():
    options = any_pb2.Any(type_url=OPTIONS.type_url, value=OPTIONS.value)
    message = types_pb2.RuntimeRequest(runtime_path="io.containerd.runc.v2", options=options)
    request = TypedBytes(type_url="containerd.types.RuntimeRequest", value=message.SerializeToString())
    assert shims.runtime_request(request) == ("io.containerd.runc.v2", options.SerializeToString())
    bare = TypedBytes(type_url="containerd.types.RuntimeRequest", value=b"")
    assert shims.runtime_request(bare) == ("", b"")


@pytest.mark.parametrize("request_", [None, OPTIONS])
def test_what_asks_for_no_runtime(request_):
    with pytest.raises(errors.NotImplemented, match="unknown request type"):
        shims.runtime_request(request_)
