"""The versions of containerd's configuration, brought into the form of `settings.Settings`.

Version 1 (or no `version`) names parts by bare names; 2 and 3 by URIs; 4 moves who listens where into the parts
`io.containerd.server.v1.{grpc,grpc-tcp,ttrpc,debug,metrics}`. A document of version 4 is also what is written.
"""

from collections.abc import Callable, Mapping
from typing import Any

from boxship.wiring.sections import BadValue

LATEST = 4
_SERVERS = "io.containerd.server.v1."
_TCP = {"address": "tcp_address", "tls_ca": "tcp_tls_ca", "tls_cert": "tcp_tls_cert", "tls_key": "tcp_tls_key"}
_MOVED = ("grpc", "ttrpc", "debug", "metrics")

# Bare names that version 1 knew and whose URI is not found by asking our own parts.
_OLD_NAMES = {
    "cri": "io.containerd.grpc.v1.cri",
    "linux": "io.containerd.runtime.v1.linux",
    "opt": "io.containerd.internal.v1.opt",
    "restart": "io.containerd.internal.v1.restart",
    "cgroups": "io.containerd.monitor.v1.cgroups",
    "diff-service": "io.containerd.service.v1.diff-service",
    "aufs": "io.containerd.snapshotter.v1.aufs",
    "btrfs": "io.containerd.snapshotter.v1.btrfs",
    "devmapper": "io.containerd.snapshotter.v1.devmapper",
    "zfs": "io.containerd.snapshotter.v1.zfs",
}


def version(document: Mapping[str, Any]) -> int:
    """Raises BadValue for one that nobody knows."""
    found = document.get("version", 1)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= LATEST:
        raise BadValue("version", f"must be 1, 2, 3 or {LATEST}, not {found!r}")
    return found or 1


def normalized(document: Mapping[str, Any], uri_of: Callable[[str], str]) -> dict[str, Any]:
    """The same settings without their version.

    Args:
        document: as read.
        uri_of: the URI of one of our parts by its bare name, empty when there is none.

    Raises:
        BadValue: an unknown version.
    """
    found = version(document)
    table = {key: value for key, value in document.items() if key != "version"}
    if found == 1:
        return _from_bare_names(table, uri_of)
    return _from_servers(table) if found >= 4 else table


def written(table: Mapping[str, Any]) -> dict[str, Any]:
    """A document of the latest version."""
    grpc = dict(table["grpc"])
    tcp = {new: grpc.pop(old) for new, old in _TCP.items()}
    debug = dict(table["debug"])
    parts = {
        "grpc": grpc,
        "grpc-tcp": tcp,
        "ttrpc": dict(table["ttrpc"]),
        "debug": {key: debug.pop(key) for key in ("address", "uid", "gid")},
        "metrics": dict(table["metrics"]),
    }
    plugins = {**table["plugins"], **{_SERVERS + name: part for name, part in parts.items()}}
    rest = {key: value for key, value in table.items() if key not in {*_MOVED, "plugins"}}
    return {"version": LATEST, **rest, "debug": debug, "plugins": dict(sorted(plugins.items()))}


def _from_bare_names(table: dict[str, Any], uri_of: Callable[[str], str]) -> dict[str, Any]:
    def uri(name: Any) -> Any:
        return (uri_of(name) or _OLD_NAMES.get(name, name)) if isinstance(name, str) else name

    if isinstance(table.get("plugins"), Mapping):
        table["plugins"] = {uri(name): value for name, value in table["plugins"].items()}
    for key in ("disabled_plugins", "required_plugins"):
        if isinstance(table.get(key), list):
            table[key] = [uri(name) for name in table[key]]
    return table


def _from_servers(table: dict[str, Any]) -> dict[str, Any]:
    plugins = table.get("plugins")
    if not isinstance(plugins, Mapping):
        return table
    rest = {uri: part for uri, part in plugins.items() if not uri.startswith(_SERVERS)}
    for name in _MOVED:
        part = plugins.get(_SERVERS + name)
        if part is not None:
            table[name] = {**table.get(name, {}), **part} if isinstance(part, Mapping) else part
    tcp = plugins.get(f"{_SERVERS}grpc-tcp")
    if isinstance(tcp, Mapping):
        renamed = {_TCP.get(key, key): value for key, value in tcp.items() if key in _TCP}
        table["grpc"] = {**table.get("grpc", {}), **renamed}
    return {**table, "plugins": rest}
