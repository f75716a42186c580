"""Which devices a control group may use: rules as values, in the words of version 1 files, and the defaults."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ANY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    allow: bool
    type: str = "a"  # a(ll), b(lock), c(har)
    major: int = ANY
    minor: int = ANY
    access: str = "rwm"  # r(ead), w(rite), m(knod)

    @property
    def is_about_everything(self) -> bool:
        return self.type == "a" and self.major == ANY and self.minor == ANY and set(self.access) == set("rwm")

    @property
    def is_deny_all(self) -> bool:
        return not self.allow and self.is_about_everything

    def text(self) -> str:
        """As a line of devices.allow or devices.deny."""
        major = "*" if self.major == ANY else str(self.major)
        minor = "*" if self.minor == ANY else str(self.minor)
        return f"{self.type} {major}:{minor} {self.access}"


def _allowed(kind: str, major: int, minor: int, access: str = "rwm") -> Rule:
    return Rule(allow=True, type=kind, major=major, minor=minor, access=access)


# OCI runtime-spec, "Default Devices", what a pty needs, and the making of nodes that cannot be opened.
DEFAULTS = (
    _allowed("c", ANY, ANY, "m"),
    _allowed("b", ANY, ANY, "m"),
    _allowed("c", 1, 3),
    _allowed("c", 1, 8),
    _allowed("c", 1, 7),
    _allowed("c", 5, 0),
    _allowed("c", 1, 5),
    _allowed("c", 1, 9),
    _allowed("c", 136, ANY),
    _allowed("c", 5, 2),
)


def from_spec(rules: Iterable[Mapping[str, Any]]) -> list[Rule]:
    """The rules of `linux.resources.devices`, in order, with the defaults behind them.

    Raises ValueError naming the rule that makes no sense.
    """
    found: list[Rule] = []
    for rule in rules:
        kind = rule.get("type") or "a"
        access = rule.get("access") or "rwm"
        if kind not in {"a", "b", "c", "u"} or not set(access) <= set("rwm"):
            raise ValueError(f"device rule {dict(rule)!r}: type must be a, b or c and access made of r, w and m")
        found.append(
            Rule(
                allow=bool(rule.get("allow")),
                type="c" if kind == "u" else kind,
                major=_number(rule.get("major")),
                minor=_number(rule.get("minor")),
                access=access,
            )
        )
    return [*found, *DEFAULTS]


def _number(value: Any) -> int:
    return ANY if value is None or value < 0 else int(value)
