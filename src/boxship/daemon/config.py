"""Configuration files: containerd's TOML with its imports, merged, checked, and written again.

A file may import others (`imports`, globs relative to the file); what is imported later wins. Lists of parts add up,
the settings of a part are replaced as a whole, other tables are merged (containerd-config.toml(5)).
"""

import dataclasses
import glob
import operator
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from boxship.daemon import settings, toml, versions
from boxship.wiring import sections

DEFAULT_PATH = "/etc/boxship/config.toml"
_LARGEST = 4 << 20
_ADDED = {"disabled_plugins", "required_plugins", "imports"}
_REPLACED = {"plugins", "proxy_plugins", "stream_processors"}
# What older versions of containerd had and nobody needs to be told of.
_FORGOTTEN = {"plugin_dir", "subreaper", "no_subreaper"}
_UNSUPPORTED = (
    *("temp", "cgroup.path", "metrics.address", "metrics.grpc_histogram", "debug.address"),
    *("grpc.max_recv_message_size", "grpc.max_send_message_size"),
)


class Refused(Exception):
    """A configuration that cannot be: the message names the file, the key and the reason."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, and what should be said about them once there is somebody to say it to."""

    settings: settings.Settings
    warnings: tuple[str, ...] = ()


def load(path: str | None, uri_of: Callable[[str], str], overrides: Mapping[str, Any] | None = None) -> Loaded:
    """Read a file with all that it imports.

    Args:
        path: None means the default file, which need not be there.
        uri_of: the URI of a part by its bare name (versions.normalized).
        overrides: what the command line says, as tables of `settings.Settings`.

    Raises:
        Refused.
    """
    if path is None:
        merged = _read(Path(DEFAULT_PATH), uri_of, set()) if Path(DEFAULT_PATH).exists() else {}
    else:
        merged = _read(Path(path), uri_of, set())
    name = path or DEFAULT_PATH
    _merge(merged, overrides or {})
    try:
        found = sections.read(settings.Settings, merged)
        _check(found)
    except sections.BadValue as exc:
        raise Refused(f"{_origin(merged, exc.key) or name}: {exc}") from None
    unknown = [
        key for key in sections.unknown(settings.Settings, merged) if key not in _FORGOTTEN and not key.startswith("\0")
    ]
    return Loaded(
        settings=_completed(found),
        warnings=tuple(
            f"{name}: {said}" for said in [*(f"unknown key {key} is ignored" for key in unknown), *_idle(found)]
        ),
    )


def document(found: settings.Settings, parts: Mapping[str, Any]) -> str:
    """Settings as TOML of the latest version; `parts` are the settings of parts, as dataclasses by their URIs."""
    table = sections.table(found)
    plugins = {**table["plugins"], **{uri: sections.table(part) for uri, part in parts.items()}}
    return toml.dumps(versions.written({**table, "plugins": plugins}))


def _read(path: Path, uri_of: Callable[[str], str], seen: set[str]) -> dict[str, Any]:
    """One file and what it imports. The hidden key remembers which file said what, for messages."""
    real = os.path.realpath(path)
    if real in seen:
        return {}
    seen.add(real)
    try:
        table = versions.normalized(_parse(path), uri_of)
    except sections.BadValue as exc:
        raise Refused(f"{path}: {exc}") from None
    table["\0files"] = {str(path): list(table)}
    for pattern in _patterns(table, path):
        for each in sorted(glob.glob(os.path.join(path.parent, pattern))):
            _merge(table, _read(Path(each), uri_of, seen))
    return table


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise Refused(f"{path}: larger than {_LARGEST} bytes; is it a configuration file?")
        return tomllib.loads(data.decode())
    except OSError as exc:
        raise Refused(f"{path}: {exc.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise Refused(f"{path}: {exc}") from None


def _patterns(table: Mapping[str, Any], path: Path) -> Iterable[str]:
    imports = table.get("imports", [])
    if not isinstance(imports, list) or not all(isinstance(each, str) for each in imports):
        raise Refused(f"{path}: imports: must be a list of strings")
    return imports


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        old = into.get(key)
        if key in _ADDED and isinstance(old, list) and isinstance(value, list):
            into[key] = old + [each for each in value if each not in old]
        elif key in _REPLACED and isinstance(old, Mapping) and isinstance(value, Mapping):
            into[key] = {**old, **value}
        elif isinstance(old, Mapping) and isinstance(value, Mapping):
            merged = dict(old)
            _merge(merged, value)
            into[key] = merged
        else:
            into[key] = value


def _origin(merged: Mapping[str, Any], key: str) -> str:
    """The last file that said something about a key."""
    top = key.partition(".")[0].partition("[")[0]
    files = [name for name, keys in merged.get("\0files", {}).items() if top in keys]
    return files[-1] if files else ""


def _check(found: settings.Settings) -> None:
    for key, path in (("root", found.root), ("state", found.state)):
        if not os.path.isabs(path):
            raise sections.BadValue(key, f'must be an absolute path, not "{path}"')
    if os.path.normpath(found.root) == os.path.normpath(found.state):
        raise sections.BadValue("state", f'must be another folder than root, and both are "{found.root}"')
    if not found.grpc.address:
        raise sections.BadValue("grpc.address", "must not be empty")
    for name, text in found.timeouts.items():
        try:
            sections.Duration.parse(text)
        except ValueError as exc:
            raise sections.BadValue(f"timeouts.{name}", str(exc)) from None


def _idle(found: settings.Settings) -> Iterable[str]:
    """What is set to something of which nothing comes."""
    for key in _UNSUPPORTED:
        value = operator.attrgetter(key)(found)
        if value != operator.attrgetter(key)(settings.Settings()):
            yield f"{key} is set to {value}, which is not supported yet"
    for key, names in (("timeouts", found.timeouts), ("stream_processors", found.stream_processors)):
        if names:
            yield f"{key} are not supported yet: {', '.join(names)}"
    for name in found.proxy_plugins:
        yield f"proxy_plugins.{name} is not supported yet, the plugin will not be there"


def _completed(found: settings.Settings) -> settings.Settings:
    """Shims find us beside the clients when nothing else was said, under the same owner."""
    if found.ttrpc.address:
        return found
    ttrpc = settings.Ttrpc(
        address=f"{found.grpc.address}.ttrpc",
        uid=found.ttrpc.uid or found.grpc.uid,
        gid=found.ttrpc.gid or found.grpc.gid,
    )
    return dataclasses.replace(found, ttrpc=ttrpc)
