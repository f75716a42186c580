"""Method tables: what `rpc` must know of a protobuf service, taken from its descriptor.

The same table serves gRPC and ttrpc, and both ends of either.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor, message

from boxship.api import pool
from boxship.rpc import methods, status


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


def _handler(method: methods.Method, function: Callable[..., Any]) -> methods.Handler:
    return methods.Handler(method=method, function=function, quick=methods.is_quick(function))


def _method(service: str, rpc: Any) -> methods.Method:
    request, response = pool.message_class(rpc.input_type), pool.message_class(rpc.output_type)
    return methods.Method(
        service=service,
        name=rpc.name,
        encode_request=_encoder(request),
        decode_request=_decoder(request),
        encode_response=_encoder(response),
        decode_response=_decoder(response),
        streams_requests=rpc.client_streaming,
        streams_responses=rpc.server_streaming,
    )


def _encoder(kind: type[message.Message]) -> Callable[[Any], bytes]:
    """Raises TypeError for any other kind of message: its bytes would be read as something that nobody said."""
    serialize = kind.SerializeToString

    def encode(value: Any) -> bytes:
        if type(value) is not kind:
            raise TypeError(f"{kind.DESCRIPTOR.full_name} expected, not {_name(value)}")
        return serialize(value)

    return encode


def _decoder(kind: type[message.Message]) -> Callable[[bytes], Any]:
    """Raises status.Status with INTERNAL, as grpc-go and ttrpc do, for bytes which are no message of this kind."""
    parse = kind.FromString

    def decode(data: bytes) -> Any:
        try:
            return parse(data)
        except (message.DecodeError, UnicodeDecodeError) as error:  # the latter from protobuf without its C core
            raise status.Status(
                status.Code.INTERNAL, f"{kind.DESCRIPTOR.full_name} cannot be read from {len(data)} bytes: {error}"
            ) from error

    return decode


def _name(value: object) -> str:
    described = getattr(type(value), "DESCRIPTOR", None)
    return described.full_name if described else type(value).__name__
