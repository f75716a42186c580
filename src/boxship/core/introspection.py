"""What a daemon is made of: its parts, with the reason where one could not load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from boxship.terms.platforms import Platform  # by name: a field here is called `platforms`
from boxship.terms.typed import TypedBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A part. `type` is a kind such as io.containerd.snapshotter.v1; `error` says why it is not there."""

    type: str
    id: str
    requires: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    exports: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    error: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """Something in use that will go away."""

    id: str
    message: str
    last_occurrence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`uuid` stays for the life of the root; `pidns` is the inode of the daemon's pid namespace."""

    uuid: str
    pid: int = 0
    pidns: int = 0
    deprecations: tuple[Deprecation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which program answers."""

    version: str
    revision: str = ""


class Introspector(Protocol):
    def plugins(self, filters: Sequence[str] = ()) -> list[Plugin]:
        """Raises InvalidArgument for a bad filter."""

    def plugin_info(self, type: str, id: str, options: TypedBytes | None = None) -> tuple[Plugin, TypedBytes | None]:
        """One part in full. Raises NotFound."""

    def server(self) -> Server: ...


class Versioner(Protocol):
    def version(self) -> Version: ...
