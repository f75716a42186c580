import pytest

from boxship.api import content_pb2, empty_pb2, events_pb2, health_pb2, task_v2_pb2, task_v3_pb2, version_pb2
from boxship.rpc import methods as rpc
from boxship.rpc import status
from boxship.wire import methods

CONTENT = content_pb2.DESCRIPTOR.services_by_name["Content"]
VERSION = version_pb2.DESCRIPTOR.services_by_name["Version"]
EVENTS = events_pb2.DESCRIPTOR.services_by_name["Events"]


class VersionService:
    @rpc.quick
    def Version(self, request, call):
        return version_pb2.VersionResponse(version="2.3.4")


class EventsService:
    def Publish(self, request, call): ...

    def Subscribe(self, request, call): ...


def test_every_rpc_of_the_service_has_its_entry():
    table = methods.of(CONTENT)
    assert list(table) == ["Info", "Update", "List", "Delete", "Read", "Status", "ListStatuses", "Write", "Abort"]
    assert table["Read"].path == "/containerd.services.content.v1.Content/Read"


def test_streams_are_told_apart():
    table = methods.of(CONTENT)
    streams = {name: (method.streams_requests, method.streams_responses) for name, method in table.items()}
    assert streams["Info"] == (False, False)
    assert streams["List"] == (False, True)
    assert streams["Write"] == (True, True)


def test_requests_and_responses_come_back_as_they_went():
    write = methods.of(CONTENT)["Write"]
    request = content_pb2.WriteContentRequest(
        action=content_pb2.COMMIT, ref="layer", data=b"\0\xff", labels={"a": "b"}, total=1 << 40
    )
    response = content_pb2.WriteContentResponse(offset=2, digest="sha256:aa")
    assert write.decode_request(write.encode_request(request)) == request
    assert write.decode_response(write.encode_response(response)) == response
    assert type(write.decode_request(b"")) is content_pb2.WriteContentRequest


def test_bytes_are_those_that_go_writes():
    info = methods.of(CONTENT)["Info"]
    assert info.encode_request(content_pb2.InfoRequest(digest="sha256:00")) == b"\x0a\x09sha256:00"
    assert info.encode_request(content_pb2.InfoRequest()) == b""


def test_an_answer_may_be_an_empty_message_of_another_package():
    delete = methods.of(CONTENT)["Delete"]
    assert delete.encode_response(empty_pb2.Empty()) == b""


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05ab", b"\x0a\x01\xff", b"\xff" * 11, b"\x0b"],
    ids=["cut short", "length beyond the end", "not UTF-8", "endless number", "group never closed"],
)
def test_bytes_that_are_no_message_end_the_call_as_internal(data):
    info = methods.of(CONTENT)["Info"]
    with pytest.raises(status.Status, match=r"content\.v1\.InfoRequest cannot be read") as caught:
        info.decode_request(data)
    assert caught.value.code is status.Code.INTERNAL
    with pytest.raises(status.Status, match=r"content\.v1\.InfoResponse cannot be read"):
        info.decode_response(data)


def test_fields_that_nobody_knows_yet_are_kept():
    info = methods.of(CONTENT)["Info"]
    data = b"\x0a\x01a\x9a\x06\x03new"
    assert info.encode_request(info.decode_request(data)) == data


def test_a_message_of_another_kind_is_refused():
    info = methods.of(CONTENT)["Info"]
    with pytest.raises(
        TypeError, match=r"v1\.InfoRequest expected, not containerd\.services\.content\.v1\.InfoResponse"
    ):
        info.encode_request(content_pb2.InfoResponse())
    with pytest.raises(TypeError, match="InfoRequest expected, not NoneType"):
        info.encode_request(None)


def test_both_editions_of_the_task_api_have_the_same_calls_under_their_own_names():
    second = methods.of(task_v2_pb2.DESCRIPTOR.services_by_name["Task"])
    third = methods.of(task_v3_pb2.DESCRIPTOR.services_by_name["Task"])
    assert list(second) == list(third)
    assert len(third) == 17
    assert second["State"].service == "containerd.task.v2.Task"
    assert third["State"].service == "containerd.task.v3.Task"


def test_handlers_are_the_methods_of_the_adapter():
    adapter = VersionService()
    (handler,) = methods.handlers(VERSION, adapter)
    assert handler.method.path == "/containerd.services.version.v1.Version/Version"
    assert handler.function(empty_pb2.Empty(), None).version == "2.3.4"


def test_the_mark_quick_is_read():
    assert methods.handlers(VERSION, VersionService())[0].quick

    class Slow:
        def Version(self, request, call): ...

    assert not methods.handlers(VERSION, Slow())[0].quick


def test_an_adapter_that_lacks_an_rpc_is_refused():
    with pytest.raises(TypeError, match=r"EventsService does not answer Forward of containerd\.services\.events\.v1"):
        methods.handlers(EVENTS, EventsService())


def test_health_watch_is_a_stream():
    table = methods.of(health_pb2.DESCRIPTOR.services_by_name["Health"])
    assert table["Watch"].streams_responses
    assert table["Check"].path == "/grpc.health.v1.Health/Check"
