"""What all shims need sooner or later, done once in the process that they are forked from.

Whatever a shim makes for itself costs memory in each of them: classes of messages, tables of methods, what the runtime
loads and compiles when it is first used. Made before the fork it is shared.
"""

import contextlib
import json
from typing import Any

from boxship.api import (
    any_pb2,
    cgroups_v1_pb2,
    cgroups_v2_pb2,
    empty_pb2,
    event_types_pb2,
    runc_options_pb2,
    task_types_pb2,
    ttrpc_events_pb2,
    types_pb2,
)
from boxship.linux import cgrouptree
from boxship.ocirun import errors, plan
from boxship.rpc.ttrpc import client, server
from boxship.shim import service
from boxship.wire import times

_MODULES: tuple[Any, ...] = (
    any_pb2,
    cgroups_v1_pb2,
    cgroups_v2_pb2,
    empty_pb2,
    event_types_pb2,
    runc_options_pb2,
    task_types_pb2,
    ttrpc_events_pb2,
    types_pb2,
)
_SPEC = {
    "ociVersion": "1.0.2",
    "process": {"args": ["true"], "env": ["PATH=/bin"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
    "root": {"path": "rootfs"},
    "hostname": "box",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/etc/hosts", "type": "bind", "source": "/etc/hosts", "options": ["rbind", "ro"]},
    ],
    "linux": {
        "cgroupsPath": "/none",
        "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")],
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}],
        },
    },
}


def warm() -> None:
    """Nothing of it is kept but what it left in caches."""
    for module in _MODULES:
        for name in module.DESCRIPTOR.message_types_by_name:
            getattr(module, name)()
    for _, table in service.editions().values():
        for method in table.values():
            _converse(method)
    times.message(1)
    with contextlib.suppress(errors.Fault, OSError, ValueError):
        spec = json.loads(json.dumps(_SPEC))
        plan.build(spec, id="none", bundle="/", tree=cgrouptree.tree(), rootfs="/")


def _converse(method: Any) -> None:
    """A call and its answer, from end to end."""
    caller, answerer = client.ClientConnection(), server.ServerConnection()
    caller.request(method.service, method.name, method.encode_request(method.decode_request(b"")))
    for event in answerer.receive(caller.take()):
        answerer.respond(event.stream, method.encode_response(method.decode_response(b"")))
    caller.receive(answerer.take())
