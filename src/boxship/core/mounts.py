"""A mount as a value: what snapshotters hand out and runtimes carry out."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One call of mount(8): `type` is a file system or `bind`, `target` is relative to the root being built, often empty."""

    type: str
    source: str
    target: str = ""
    options: tuple[str, ...] = field(default_factory=tuple)

    @property
    def read_only(self) -> bool:
        return "ro" in self.options
