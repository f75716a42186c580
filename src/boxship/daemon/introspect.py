"""What a daemon says of itself: its parts, its version and who it is."""

import functools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import boxship
from boxship.core import introspection
from boxship.terms import errors, filters, platforms
from boxship.terms.typed import TypedBytes
from boxship.wiring import assembly, parts

COMPATIBLE = "2.3.0"
"""The version of containerd whose API we speak; clients read it from our version, where it stands first."""

_HIDDEN = "boxship."
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Introspection:
    """Introspector and Versioner over an assembly that is told of later, since it is itself one of its parts."""

    def __init__(self, folder: Path) -> None:
        """`folder` keeps the daemon's uuid."""
        self._folder = folder
        self._uuid = ""
        self._assembly = assembly.Assembly()

    def describe(self, made: assembly.Assembly) -> None:
        self._assembly = made

    def plugins(self, filters_: Sequence[str] = (), /) -> list[introspection.Plugin]:
        wanted = filters.parse_all(filters_)
        found = [_plugin(part) for part in self._assembly.tried if not part.kind.startswith(_HIDDEN)]
        return [plugin for plugin in found if wanted.matches(functools.partial(_field, plugin))]

    def plugin_info(
        self, type: str, id: str, options: TypedBytes | None = None
    ) -> tuple[introspection.Plugin, TypedBytes | None]:
        """Parts whose value has `info(options)` say more of themselves."""
        for part in self._assembly.tried:
            if (part.kind, part.name) == (type, id):
                info = getattr(part.value, "info", None)
                return _plugin(part), info(options) if callable(info) else None
        raise errors.NotFound(f"plugin {type}.{id}")

    def server(self) -> introspection.Server:
        return introspection.Server(
            uuid=self._uuid or self._identify(), pid=os.getpid(), pidns=os.stat("/proc/self/ns/pid").st_ino
        )

    def version(self) -> introspection.Version:
        return introspection.Version(version=f"v{COMPATIBLE}+boxship.{boxship.__version__}", revision="")

    def _identify(self) -> str:
        path = self._folder / "uuid"
        try:
            self._uuid = path.read_text().strip()
        except (FileNotFoundError, ValueError):
            self._uuid = ""
        if not _UUID.fullmatch(self._uuid):
            self._uuid = Path("/proc/sys/kernel/random/uuid").read_text().strip()  # random(4)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            temporary.write_text(self._uuid)
            temporary.replace(path)
        return self._uuid


def _plugin(part: parts.Part) -> introspection.Plugin:
    return introspection.Plugin(
        type=part.kind,
        id=part.name,
        requires=tuple(kind for kind in part.requires if not kind.startswith(_HIDDEN)),
        platforms=tuple(platforms.parse(text) for text in part.about.platforms),
        exports=part.about.exports,
        capabilities=part.about.capabilities,
        error=part.reason,
        skipped=part.state is parts.State.SKIPPED,
    )


def _field(plugin: introspection.Plugin, path: Sequence[str]) -> str | None:
    fields: Mapping[str, str] = {"type": plugin.type, "id": plugin.id}
    return fields.get(path[0]) or None if len(path) == 1 else None


_: type[introspection.Introspector] = Introspection
__: type[introspection.Versioner] = Introspection
