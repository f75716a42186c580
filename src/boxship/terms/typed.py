"""Bytes that know the name of their type: what protobuf calls Any, without protobuf."""

from dataclasses import dataclass

_PREFIX = "type.googleapis.com/"


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedBytes:
    """A value that is carried but not read: it goes out byte for byte as it came in.

    Attributes:
        type_url: the bare full name of the type, such as `containerd.runc.v1.Options`.
        value: its encoding; protobuf for message names, JSON under `types.containerd.io/`.
    """

    type_url: str
    value: bytes

    @property
    def name(self) -> str:
        """The type's name without the prefix that some senders put before it."""
        return self.type_url.removeprefix(_PREFIX)
