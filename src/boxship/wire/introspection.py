"""What a daemon is made of."""

from typing import Any

from boxship.api import introspection_pb2 as pb
from boxship.api import status_pb2
from boxship.core import introspection
from boxship.rpc.status import Code
from boxship.wire import platforms, times

_SKIPPED = "skip plugin"  # how Go clients tell a part that was left out from one that failed


def message(plugin: introspection.Plugin) -> pb.Plugin:
    return pb.Plugin(
        type=plugin.type,
        id=plugin.id,
        requires=plugin.requires,
        platforms=[platforms.message(each) for each in plugin.platforms],
        exports=plugin.exports,
        capabilities=plugin.capabilities,
        init_err=_init_err(plugin),
    )


def _init_err(plugin: introspection.Plugin) -> status_pb2.Status | None:
    if not plugin.error and not plugin.skipped:
        return None
    parts = [part for part in (plugin.error, _SKIPPED if plugin.skipped else "") if part]
    return status_pb2.Status(code=Code.UNKNOWN, message=": ".join(parts))


def value(message: pb.Plugin) -> introspection.Plugin:
    text = message.init_err.message
    skipped = text.endswith(_SKIPPED)
    return introspection.Plugin(
        type=message.type,
        id=message.id,
        requires=tuple(message.requires),
        platforms=tuple(platforms.value(each) for each in message.platforms),
        exports=dict(message.exports),
        capabilities=tuple(message.capabilities),
        error=text.removesuffix(_SKIPPED).removesuffix(": ") if skipped else text,
        skipped=skipped,
    )


def server_message(server: introspection.Server) -> pb.ServerResponse:
    return pb.ServerResponse(
        uuid=server.uuid,
        pid=server.pid,
        pidns=server.pidns,
        deprecations=[
            pb.DeprecationWarning(id=each.id, message=each.message, last_occurrence=times.message(each.last_occurrence))
            for each in server.deprecations
        ],
    )


def server(message: pb.ServerResponse) -> introspection.Server:
    return introspection.Server(
        uuid=message.uuid,
        pid=message.pid,
        pidns=message.pidns,
        deprecations=tuple(_deprecation(each) for each in message.deprecations),
    )


def _deprecation(message: Any) -> introspection.Deprecation:
    return introspection.Deprecation(
        id=message.id, message=message.message, last_occurrence=times.value(message, "last_occurrence")
    )
