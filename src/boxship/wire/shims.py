"""What a daemon and a shim say to each other beside the task API: how to start, where it is, how it ended."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boxship.api import any_pb2, bootstrap_pb2, runc_options_pb2, task_v3_pb2, types_pb2
from boxship.core import tasks
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import times

NEWEST = 3
"""Of the task API's editions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a shim serves: the edition of its task API, its address (unix://…), ttrpc or grpc."""

    version: int
    address: str
    protocol: str

    def to_json(self) -> str:
        """The content of `bootstrap.json`."""
        return json.dumps({"version": self.version, "address": self.address, "protocol": self.protocol})


def parameters(
    *,
    id: str,
    namespace: str,
    ttrpc: str,
    grpc: str,
    binary: str,
    options: TypedBytes | None,
    sockets: str,
    debug: bool,
) -> bytes:
    """BootstrapParams, which shims read from standard input since 2.3."""
    extensions = [] if options is None else [bootstrap_pb2.Extension(value=_any(options))]
    level = bootstrap_pb2.LOG_LEVEL_DEBUG if debug else bootstrap_pb2.LOG_LEVEL_INFO
    return bootstrap_pb2.BootstrapParams(
        instance_id=id,
        namespace=namespace,
        log_level=level,
        containerd_ttrpc_address=ttrpc,
        containerd_grpc_address=grpc,
        containerd_binary=binary,
        extensions=extensions,
        socket_dir=sockets,
    ).SerializeToString()


def legacy_parameters(options: TypedBytes | None) -> bytes:
    """What shims read from standard input before 2.3: the runtime options alone."""
    return b"" if options is None or not options.value else _any(options).SerializeToString()


def endpoint(said: bytes) -> Endpoint:
    """What a shim said when it was started, or what `bootstrap.json` holds: a message, JSON, or an address alone.

    Raises:
        NotImplemented: an edition that we do not know.
        Unknown: there is no address in it.
    """
    found = _from_message(said) or _from_json(said) or _from_text(said)
    if found.version > NEWEST:
        raise errors.NotImplemented(f"unsupported shim version ({found.version})")
    if "://" not in found.address or len(found.address) > 4096:
        raise errors.Unknown(f"the shim did not say where it is, but {said[:300]!r}")
    return found


def deleted(said: bytes) -> tasks.Exit:
    """What `delete` of a shim's binary wrote. Raises Unknown when it is no DeleteResponse."""
    try:
        response = task_v3_pb2.DeleteResponse.FromString(said)
    except Exception as error:  # each implementation of protobuf has its own class for it
        raise errors.Unknown(f"the shim's delete answered what cannot be read: {said[:300]!r}") from error
    return tasks.Exit(pid=response.pid, status=response.exit_status, exited_at=times.value(response, "exited_at"))


def checkpoint_path(options: TypedBytes | None) -> str:
    """Where the options say that a checkpoint goes, empty when they do not."""
    if options is None or not options.name.startswith(("containerd.runc.", "containerd.linux.runc.")):
        return ""
    return runc_options_pb2.CheckpointOptions.FromString(options.value).image_path


def runtime_request(request: TypedBytes | None) -> tuple[str, bytes]:
    """Which runtime a RuntimeRequest asks for, and its options as shims read them.

    Raises:
        NotImplemented: it is not a RuntimeRequest.
    """
    if request is None or request.name != "containerd.types.RuntimeRequest":
        raise errors.NotImplemented(f"unknown request type {request.name if request else None}")
    message = types_pb2.RuntimeRequest.FromString(request.value)
    return message.runtime_path, message.options.SerializeToString() if message.HasField("options") else b""


def runtime_info(said: bytes) -> TypedBytes:
    """What a shim answers to `-info`."""
    return TypedBytes(type_url="containerd.types.RuntimeInfo", value=said)


def _from_message(said: bytes) -> Endpoint | None:
    try:
        result = bootstrap_pb2.BootstrapResult.FromString(said)
    except Exception:  # each implementation of protobuf has its own class for it
        return None
    if not said or not result.address:
        return None
    return Endpoint(version=result.version, address=result.address, protocol=result.protocol.lower() or "ttrpc")


def _from_json(said: bytes) -> Endpoint | None:
    try:
        value: Any = json.loads(said)
    except ValueError:
        return None
    if not isinstance(value, Mapping) or not isinstance(value.get("version"), int) or value["version"] < 2:
        return None
    return Endpoint(
        version=value["version"],
        address=str(value.get("address", "")),
        protocol=str(value.get("protocol", "")).lower() or "ttrpc",
    )


def _from_text(said: bytes) -> Endpoint:
    return Endpoint(version=2, address=said.decode("utf-8", "replace").strip(), protocol="ttrpc")


def _any(typed: TypedBytes) -> any_pb2.Any:
    return any_pb2.Any(type_url=typed.type_url, value=typed.value)
