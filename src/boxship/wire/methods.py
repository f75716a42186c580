"""Method tables: what `rpc` must know of a protobuf service, taken from its descriptor.

The same table serves gRPC and ttrpc, and both ends of either.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf import descriptor, message

from boxship.api import pool
from boxship.rpc import methods, status

_F = TypeVar("_F", bound=Callable[..., Any])
_READS = "__wire_reads__"


def of(service: descriptor.ServiceDescriptor) -> dict[str, methods.Method]:
    """The methods of a service by name.

    Args:
        service: from a generated module, `content_pb2.DESCRIPTOR.services_by_name["Content"]`.
    """
    return {rpc.name: _method(service.full_name, rpc) for rpc in service.methods}


def handlers(service: descriptor.ServiceDescriptor, adapter: object) -> list[methods.Handler]:
    """What answers each method of a service: the adapter's method of that name.

    Args:
        service: from a generated module.
        adapter: a plain object with `def List(self, request, call)` and so on, one for each RPC; `rpc.methods.quick`
            may mark them.

    Raises:
        TypeError: the adapter lacks an RPC of the service.
    """
    table = of(service)
    if missing := [name for name in table if not callable(getattr(adapter, name, None))]:
        raise TypeError(f"{type(adapter).__name__} does not answer {', '.join(missing)} of {service.full_name}")
    return [_handler(method, getattr(adapter, name)) for name, method in table.items()]


def reads(read: Callable[[Callable[[bytes], Any], bytes], Any]) -> Callable[[_F], _F]:
    """Mark an adapter's method whose requests are `read(parse, data)`, where `parse` makes a message of bytes."""

    def mark(function: _F) -> _F:
        setattr(function, _READS, read)
        return function

    return mark


def _handler(method: methods.Method, function: Callable[..., Any]) -> methods.Handler:
    if (read := getattr(function, _READS, None)) is not None:
        method = dataclasses.replace(method, decode_request=functools.partial(read, method.decode_request))
    return methods.Handler(method=method, function=function, quick=methods.is_quick(function))


def _method(service: str, rpc: Any) -> methods.Method:
    return methods.Method(
        service=service,
        name=rpc.name,
        encode_request=_encoder(rpc.input_type),
        decode_request=_decoder(rpc.input_type),
        encode_response=_encoder(rpc.output_type),
        decode_response=_decoder(rpc.output_type),
        streams_requests=rpc.client_streaming,
        streams_responses=rpc.server_streaming,
    )


@functools.cache
def _encoder(described: descriptor.Descriptor) -> Callable[[Any], bytes]:
    """Raises TypeError for any other kind of message: its bytes would be read as something that nobody said."""

    def encode(value: Any) -> bytes:
        if getattr(value, "DESCRIPTOR", None) is not described:
            raise TypeError(f"{described.full_name} expected, not {_name(value)}")
        serialized: bytes = value.SerializeToString()
        return serialized

    return encode


@functools.cache
def _decoder(described: descriptor.Descriptor) -> Callable[[bytes], Any]:
    """Raises status.Status with INTERNAL, as grpc-go and ttrpc do, for bytes which are no message of this kind.

    The class is made with the first message: a process meets few of all there are.
    """
    parse: Callable[[bytes], Any] | None = None

    def decode(data: bytes) -> Any:
        nonlocal parse
        if parse is None:
            parse = pool.message_class(described).FromString
        try:
            return parse(data)
        except (message.DecodeError, UnicodeDecodeError) as error:  # the latter from protobuf without its C core
            raise status.Status(
                status.Code.INTERNAL, f"{described.full_name} cannot be read from {len(data)} bytes: {error}"
            ) from error

    return decode


def _name(value: object) -> str:
    described = getattr(type(value), "DESCRIPTOR", None)
    return described.full_name if described else type(value).__name__
