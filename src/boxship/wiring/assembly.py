"""Making the parts: one after the other, each with its settings and with what it needs."""

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from boxship.wiring import graph, kinds, parts, sections

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Assembly:
    """The parts of a program, by kind and name. Closing it closes them, last made first."""

    def __init__(self, made: Iterable[parts.Part] = ()) -> None:
        self._parts = {part.uri: part for part in made}

    @property
    def tried(self) -> tuple[parts.Part, ...]:
        """All parts, also those that could not be made, in the order they were tried."""
        return tuple(self._parts.values())

    def one(self, kind: kinds.Kind[T]) -> T:
        """The first part of the kind that was made. Raises Missing."""
        reasons = []
        for part in self._parts.values():
            if part.kind == kind.uri:
                if part.state is parts.State.MADE:
                    value: T = part.value
                    return value
                reasons.append(f"{part.name}: {part.reason}")
        raise parts.Missing(f"no part of kind {kind.uri} is there" + (f" ({'; '.join(reasons)})" if reasons else ""))

    def all(self, kind: kinds.Kind[T]) -> dict[str, T]:
        """Every part of the kind that was made, by name."""
        return {
            part.name: part.value
            for part in self._parts.values()
            if part.kind == kind.uri and part.state is parts.State.MADE
        }

    def add(self, part: parts.Part) -> None:
        self._parts[part.uri] = part

    def close(self) -> None:
        """Close whatever has a `close`, last made first. What fails is logged, the rest is closed all the same."""
        for part in reversed(self._parts.values()):
            close = getattr(part.value, "close", None)
            if close is not None:
                try:
                    close()
                except Exception:
                    _log.exception("closing %s failed", part.uri)
        self._parts.clear()


class _Needs:
    """What one part may see of an assembly while it is made."""

    def __init__(self, assembly: Assembly, allowed: tuple[kinds.Kind[Any], ...]) -> None:
        self._assembly = assembly
        self._allowed = allowed
        self.about = parts.About()

    def one(self, kind: kinds.Kind[T]) -> T:
        self._check(kind)
        return self._assembly.one(kind)

    def all(self, kind: kinds.Kind[T]) -> dict[str, T]:
        self._check(kind)
        return self._assembly.all(kind)

    def tell(self, about: parts.About) -> None:
        self.about = about

    def _check(self, kind: kinds.Kind[Any]) -> None:
        if kind not in self._allowed:
            raise parts.Missing(f"a part may only ask for what it requires, and {kind} is not among that")


def assemble(
    builtins: Iterable[parts.Builtin],
    *,
    disabled: Callable[[str], bool] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    given: Iterable[parts.Part] = (),
) -> Assembly:
    """Import what is not disabled, order it and make it.

    Args:
        builtins: where the registrations are.
        disabled: told a part's uri, whether to leave it out entirely.
        settings: tables of settings by the parts' uris.
        given: parts that are there from the beginning.

    Raises:
        sections.BadValue: a setting has a value that cannot be; `key` starts with the part's uri.
        graph.Loop: parts require each other.
    """
    assembly = Assembly(given)
    loaded = []
    for builtin in builtins:
        if disabled is not None and disabled(builtin.uri):
            continue
        try:
            loaded.append(builtin.load())
        except Exception as exc:
            _log.debug("importing %s failed", builtin.uri, exc_info=True)
            reason = f"{builtin.where} cannot be imported: {_said(exc)}"
            assembly.add(parts.Part(kind=builtin.kind, name=builtin.name, state=parts.State.FAILED, reason=reason))
    for registration in graph.ordered(loaded):
        assembly.add(_make(registration, assembly, (settings or {}).get(registration.uri, {})))
    return assembly


def _make(registration: parts.Registration[Any], assembly: Assembly, table: Mapping[str, Any]) -> parts.Part:
    config = None if registration.config is None else sections.read(registration.config, table, registration.uri)
    needs = _Needs(assembly, registration.requires)
    value, state, reason = None, parts.State.MADE, ""
    try:
        value = registration.make(config, needs)
    except parts.Skip as exc:
        state, reason = parts.State.SKIPPED, _said(exc)
        _log.info("skip loading plugin %s: %s", registration.uri, reason)
    except Exception as exc:
        state, reason = parts.State.FAILED, _said(exc)
        level = logging.DEBUG if isinstance(exc, parts.Missing) else logging.WARNING
        _log.log(level, "failed to load plugin %s: %s", registration.uri, reason, exc_info=_log.isEnabledFor(10))
    return parts.Part(
        kind=registration.kind.uri,
        name=registration.name,
        state=state,
        requires=tuple(kind.uri for kind in registration.requires),
        value=value,
        reason=reason,
        about=needs.about,
    )


def _said(exc: Exception) -> str:
    return str(exc) or traceback.format_exception_only(exc)[-1].strip()
