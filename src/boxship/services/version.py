"""containerd.services.version.v1.Version"""

from typing import Any

from boxship.api import version_pb2 as pb
from boxship.core import introspection
from boxship.rpc import calls, methods


class VersionService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Version"]

    def __init__(self, versioner: introspection.Versioner) -> None:
        self._versioner = versioner

    @methods.quick
    def Version(self, request: Any, call: calls.Call) -> pb.VersionResponse:
        version = self._versioner.version()
        return pb.VersionResponse(version=version.version, revision=version.revision)
