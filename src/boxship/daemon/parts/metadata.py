"""io.containerd.metadata.v1.bolt: the book. The name is containerd's, for those who configure or look for it."""

from dataclasses import dataclass

from boxship.core import book, kinds
from boxship.metadata import database
from boxship.wiring import parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`content_sharing_policy` is `shared` or `isolated`: whether naming a blob of another namespace is enough."""

    content_sharing_policy: str = "shared"

    def __post_init__(self) -> None:
        if self.content_sharing_policy not in {"shared", "isolated"}:
            raise ValueError(f'content_sharing_policy "{self.content_sharing_policy}" is neither shared nor isolated')


def _make(config: Config, needs: parts.Needs) -> book.Books:
    folder = needs.one(kinds.PLACES).folder(kinds.METADATA, "sqlite")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    needs.tell(parts.About(exports={"policy": config.content_sharing_policy}))
    return database.Database(
        folder / "meta.sqlite",
        content=needs.one(kinds.CONTENT),
        snapshotters=needs.all(kinds.SNAPSHOTTER),
        publisher=needs.one(kinds.EVENTS),
        policy="isolated" if config.content_sharing_policy == "isolated" else "shared",
    )


REGISTRATION = parts.Registration(
    kind=kinds.METADATA,
    name="bolt",
    requires=(kinds.PLACES, kinds.CONTENT, kinds.SNAPSHOTTER, kinds.EVENTS),
    config=Config,
    make=_make,
)
