"""The parts that come with boxship: dotted strings, imported when the graph wants them."""

from boxship.wiring.parts import Builtin

_PARTS = "boxship.daemon.parts"

BUILTINS = (
    Builtin("io.containerd.content.v1", "content", f"{_PARTS}.content:REGISTRATION"),
    Builtin("io.containerd.snapshotter.v1", "native", f"{_PARTS}.native:REGISTRATION"),
    Builtin("io.containerd.snapshotter.v1", "overlayfs", f"{_PARTS}.overlayfs:REGISTRATION"),
    Builtin("io.containerd.event.v1", "exchange", f"{_PARTS}.events:REGISTRATION"),
    Builtin("io.containerd.metadata.v1", "bolt", f"{_PARTS}.metadata:REGISTRATION"),
    Builtin("io.containerd.gc.v1", "scheduler", f"{_PARTS}.gc:REGISTRATION"),
    Builtin("io.containerd.differ.v1", "walking", f"{_PARTS}.layers:REGISTRATION"),
    Builtin("io.containerd.runtime.v2", "task", f"{_PARTS}.tasks:REGISTRATION"),
    Builtin("io.containerd.grpc.v1", "containers", f"{_PARTS}.services:CONTAINERS"),
    Builtin("io.containerd.grpc.v1", "content", f"{_PARTS}.services:CONTENT"),
    Builtin("io.containerd.grpc.v1", "diff", f"{_PARTS}.services:DIFF"),
    Builtin("io.containerd.grpc.v1", "events", f"{_PARTS}.services:EVENTS"),
    Builtin("io.containerd.grpc.v1", "healthcheck", f"{_PARTS}.services:HEALTH"),
    Builtin("io.containerd.grpc.v1", "images", f"{_PARTS}.services:IMAGES"),
    Builtin("io.containerd.grpc.v1", "introspection", f"{_PARTS}.services:INTROSPECTION"),
    Builtin("io.containerd.grpc.v1", "leases", f"{_PARTS}.services:LEASES"),
    Builtin("io.containerd.grpc.v1", "namespaces", f"{_PARTS}.services:NAMESPACES"),
    Builtin("io.containerd.grpc.v1", "snapshots", f"{_PARTS}.services:SNAPSHOTS"),
    Builtin("io.containerd.grpc.v1", "tasks", f"{_PARTS}.services:TASKS"),
    Builtin("io.containerd.grpc.v1", "version", f"{_PARTS}.services:VERSION"),
    Builtin("io.containerd.ttrpc.v1", "events", f"{_PARTS}.services:TTRPC_EVENTS"),
)


def uri_of(name: str) -> str:
    """The URI of the part with a bare name, as the first version of the configuration knew it; empty for none.

    A name that a service shares with what it serves means the latter.
    """
    for part in BUILTINS:
        if part.name == name:
            return part.uri
    return ""
