"""Images: names for content. An image is a name, a target descriptor and labels; the graph below is content."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from boxship.terms import oci
from boxship.terms.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A name for `target`. Times are nanoseconds since the epoch."""

    name: str
    target: oci.Descriptor
    labels: Labels = field(default_factory=dict)
    created_at: int | None = None
    updated_at: int | None = None


class Store(Protocol):
    def get(self, name: str) -> Image:
        """Raises NotFound."""

    def list(self, filters: Sequence[str] = ()) -> Sequence[Image]:
        """Images that match any of the filters, in order of names. Raises InvalidArgument for a bad filter."""

    def create(self, image: Image, *, created_at: int | None = None) -> Image:
        """`created_at` overrides the clock (SOURCE_DATE_EPOCH).

        Raises:
            AlreadyExists: the name is taken.
            InvalidArgument: no name, or a target without media type, digest or size.
        """

    def update(self, image: Image, paths: Iterable[str] | None = None, *, updated_at: int | None = None) -> Image:
        """Change by field mask: `labels`, `labels.KEY`, `target`, `annotations`, `annotations.KEY`; no mask: all.

        Raises:
            NotFound: no such name.
            InvalidArgument: a path that cannot change.
        """

    def delete(self, name: str, *, target: str = "", synchronous: bool = False) -> None:
        """Forget a name; with `target` only while it points at that digest. `synchronous` waits for collection.

        Raises:
            NotFound: no such name, or it points elsewhere.
        """


def field_of(image: Image) -> Mapping[str, object]:
    """What filters may ask of an image (see terms.filters): name, target.digest, target.mediatype, labels, annotations."""
    return {
        "name": image.name,
        "target": {"digest": image.target.digest, "mediatype": image.target.media_type},
        "labels": image.labels,
        "annotations": image.target.annotations,
    }
