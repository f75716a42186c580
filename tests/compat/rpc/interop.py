"""gRPC's interop service (grpc.testing.TestService, doc/interop-test-descriptions.md), with a codec by hand."""

import dataclasses
import struct
import threading
import time

from boxship.rpc import methods, status
from boxship.rpc.ttrpc import fields

INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
ORCA = "endpoint-load-metrics-bin"


@dataclasses.dataclass
class Request:
    """Any request of the service."""

    payload: bytes = b""
    size: int = 0
    sizes: list = dataclasses.field(default_factory=list)  # of the answers of streaming calls, in bytes
    pauses: list = dataclasses.field(default_factory=list)  # before each, in microseconds
    code: int = 0
    message: str = ""
    orca: bytes = b""


def _payload(message):
    return next((value for field, value in fields.read(message) if field == 2), b"")


def _wrapped(size):
    return fields.tagged(1, fields.tagged(2, bytes(size)))


def _number(message, wanted):
    return next((value for field, value in fields.read(message) if field == wanted), 0)


def decode_simple(message):
    request = Request()
    for field, value in fields.read(message):
        if field == 2:
            request.size = value
        elif field == 3:
            request.payload = _payload(value)
        elif field == 7:
            _echo_status(request, value)
        elif field == 11:
            request.orca = value
    return request


def encode_simple(request):
    return (
        fields.number(2, request.size)
        + (fields.tagged(3, fields.tagged(2, request.payload)) if request.payload else b"")
        + _status_field(request)
    )


def decode_streaming(message):
    request = Request()
    for field, value in fields.read(message):
        if field == 2:
            request.sizes.append(_number(value, 1))
            request.pauses.append(_number(value, 2))
        elif field == 3:
            request.payload = _payload(value)
        elif field == 7:
            _echo_status(request, value)
        elif field == 8:
            request.orca = value
    return request


def encode_streaming(request):
    parameters = b"".join(fields.tagged(2, fields.number(1, size)) for size in request.sizes)
    return parameters + fields.tagged(3, fields.tagged(2, request.payload)) + _status_field(request)


def _echo_status(request, message):
    for field, value in fields.read(message):
        if field == 1:
            request.code = value
        elif field == 2:
            request.message = value.decode()


def _status_field(request):
    if not request.code:
        return b""
    return fields.tagged(7, fields.number(1, request.code) + fields.tagged(2, request.message.encode()))


def decode_input(message):
    return Request(payload=next((_payload(value) for field, value in fields.read(message) if field == 1), b""))


def encode_input(request):
    return fields.tagged(1, fields.tagged(2, request.payload))


def decode_answer(message):
    """The body of an answer's payload."""
    return next((_payload(value) for field, value in fields.read(message) if field == 1), b"")


def _method(
    name, decode, encode, answer=_wrapped, *, service="grpc.testing.TestService", read=decode_answer, **streams
):
    return methods.Method(
        service=service,
        name=name,
        decode_request=decode,
        encode_request=encode,
        encode_response=answer,
        decode_response=read,
        **streams,
    )


def _nothing(_):
    return b""


EMPTY = _method("EmptyCall", _nothing, _nothing, _nothing, read=_nothing)
UNARY = _method("UnaryCall", decode_simple, encode_simple, lambda size: _wrapped(size) + fields.tagged(4, b"boxship"))
OUTPUT = _method("StreamingOutputCall", decode_streaming, encode_streaming, streams_responses=True)
INPUT = _method(
    "StreamingInputCall",
    decode_input,
    encode_input,
    lambda size: fields.number(1, size),
    read=lambda message: _number(message, 1),
    streams_requests=True,
)
FULL = _method("FullDuplexCall", decode_streaming, encode_streaming, streams_requests=True, streams_responses=True)
HALF = _method("HalfDuplexCall", decode_streaming, encode_streaming, streams_requests=True, streams_responses=True)
UNIMPLEMENTED = _method("UnimplementedCall", _nothing, _nothing, read=_nothing)
UNKNOWN = _method("UnimplementedCall", _nothing, _nothing, service="grpc.testing.UnimplementedService", read=_nothing)
OUT_OF_BAND = methods.Method(
    service="xds.service.orca.v3.OpenRcaService",
    name="StreamCoreMetrics",
    decode_request=bytes,
    encode_request=bytes,
    decode_response=bytes,
    encode_response=bytes,
    streams_responses=True,
)


class Service:
    def __init__(self):
        self._load = b""

    def handlers(self):
        listed = (EMPTY, UNARY, OUTPUT, INPUT, FULL, HALF, OUT_OF_BAND)
        return [methods.Handler(method=one, function=getattr(self, one.name)) for one in listed]

    def EmptyCall(self, request, call):
        return b""

    def UnaryCall(self, request, call):
        _echo_metadata(call)
        if request.orca:
            call.trailing_metadata = {**(call.trailing_metadata or {}), ORCA: _load_report(request.orca)}
        _raise(request)
        return request.size

    def StreamingOutputCall(self, request, call):
        yield from _answers(request, call)

    def StreamingInputCall(self, requests, call):
        return sum(len(request.payload) for request in requests)

    def FullDuplexCall(self, requests, call):
        _echo_metadata(call)
        for request in requests:
            if request.orca:
                self._load = _load_report(request.orca)
            _raise(request)
            yield from _answers(request, call)

    def HalfDuplexCall(self, requests, call):
        for request in list(requests):
            yield from _answers(request, call)

    def StreamCoreMetrics(self, request, call):
        gone = threading.Event()
        call.on_cancel(gone.set)
        while True:
            yield self._load
            if gone.wait(0.1):
                return


def _answers(request, call):
    for size, pause in zip(request.sizes, request.pauses, strict=True):
        time.sleep(pause / 1e6)
        yield size


def _echo_metadata(call):
    if INITIAL in call.metadata:
        call.initial_metadata = {INITIAL: call.metadata[INITIAL][0]}
    if TRAILING in call.metadata:
        call.trailing_metadata = {TRAILING: call.metadata[TRAILING][0]}


def _raise(request):
    if request.code:
        raise status.Status(status.code_of(request.code), request.message)


def _load_report(report):
    """grpc.testing.TestOrcaReport as xds.data.orca.v3.OrcaLoadReport: the maps move from 3, 4 to 4, 5."""
    out = b""
    for field, value in fields.read(report):
        if field < 3:
            out += bytes((field << 3 | fields.FIXED64,)) + struct.pack("8s", value)
        else:
            out += fields.tagged(field + 1, value)
    return out
