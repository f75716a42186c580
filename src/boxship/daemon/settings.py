"""What a daemon can be told, in one form, whichever version of containerd's configuration it was written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = 4
"""The version that is written; versions 1 to 4 are read."""

MESSAGE_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Grpc:
    """The socket of clients. `uid` and `gid` own it."""

    address: str = "/run/boxship/boxship.sock"
    uid: int = 0
    gid: int = 0
    tcp_address: str = ""
    tcp_tls_ca: str = ""
    tcp_tls_cert: str = ""
    tcp_tls_key: str = ""
    max_recv_message_size: int = MESSAGE_LIMIT
    max_send_message_size: int = MESSAGE_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ttrpc:
    """The socket of shims; without an address it lies beside the socket of clients."""

    address: str = ""
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Debug:
    """`level` is trace, debug, info, warn, error, fatal or panic; `format` text or json."""

    level: str = ""
    format: str = ""
    address: str = ""
    uid: int = 0
    gid: int = 0

    def __post_init__(self) -> None:
        if self.level not in {"", "trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"}:
            raise ValueError(f'level "{self.level}" is none of trace, debug, info, warn, error, fatal, panic')
        if self.format not in {"", "text", "json"}:
            raise ValueError(f'format "{self.format}" is neither text nor json')


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """`[metrics]`."""

    address: str = ""
    grpc_histogram: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """The control group that the daemon shall move itself to; empty: it stays where it is."""

    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it. For what is read and not supported yet `config.load` has warnings.

    Attributes:
        plugins: settings of parts by their URIs, such as `io.containerd.snapshotter.v1.overlayfs`.
        timeouts: durations by containerd's names, such as `io.containerd.timeout.shim.load`.
    """

    root: str = "/var/lib/boxship"
    state: str = "/run/boxship"
    temp: str = ""
    oom_score: int = 0
    disabled_plugins: tuple[str, ...] = ()
    required_plugins: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    grpc: Grpc = field(default_factory=Grpc)
    ttrpc: Ttrpc = field(default_factory=Ttrpc)
    debug: Debug = field(default_factory=Debug)
    metrics: Metrics = field(default_factory=Metrics)
    cgroup: Cgroup = field(default_factory=Cgroup)
    timeouts: Mapping[str, str] = field(default_factory=dict)
    proxy_plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stream_processors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
