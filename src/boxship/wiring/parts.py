"""A part, before and after it was made."""

import enum
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from boxship.wiring import kinds

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Skip(Exception):
    """A part says that it is not wanted or not possible here; the message says why. No fault of anybody."""


class Missing(Exception):
    """A part asked for another that is not there; the message names it and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a part tells the world of itself: values, abilities, and platforms as `os/architecture[/variant]`."""

    exports: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()


class Needs(Protocol):
    """What a part may ask for while it is made: parts of the kinds that it requires."""

    def one(self, kind: kinds.Kind[T]) -> T:
        """The first part of the kind that was made. Raises Missing."""

    def all(self, kind: kinds.Kind[T]) -> dict[str, T]:
        """Every part of the kind that was made, by name."""

    def tell(self, about: About) -> None:
        """What introspection shall say of the part being made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration(Generic[T]):
    """One part that could be made.

    Attributes:
        config: a dataclass whose fields are the part's settings, all with defaults; None when it has none.
        make: called with the settings (None without `config`) and what it needs. Raises Skip when the part is not
            possible here. What it returns is closed at the end when it has a `close` method.
    """

    kind: kinds.Kind[T]
    name: str
    requires: tuple[kinds.Kind[Any], ...] = ()
    config: type[Any] | None = None
    make: Callable[[Any, Needs], T]

    @property
    def uri(self) -> str:
        return f"{self.kind.uri}.{self.name}"


@dataclass(frozen=True, slots=True)
class Builtin:
    """A part that is imported only when it is wanted: `where` is `module:NAME` of its registration."""

    kind: str
    name: str
    where: str

    @property
    def uri(self) -> str:
        return f"{self.kind}.{self.name}"

    def load(self) -> Registration[Any]:
        """Raises ImportError, or whatever else importing the module raises."""
        module, _, attribute = self.where.partition(":")
        found: Registration[Any] = getattr(importlib.import_module(module), attribute)
        return found


class State(enum.Enum):
    MADE = "ok"
    SKIPPED = "skip"
    FAILED = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part after it was tried. `value` is there when it was made, `reason` when not."""

    kind: str
    name: str
    state: State
    requires: tuple[str, ...] = ()
    value: Any = None
    reason: str = ""
    about: About = field(default_factory=About)

    @property
    def uri(self) -> str:
        return f"{self.kind}.{self.name}"
