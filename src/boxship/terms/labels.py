"""Labels: small strings that clients hang on things. containerd reserves the names under `containerd.io/`."""

from collections.abc import Iterable, Mapping

from boxship.terms import errors

Labels = Mapping[str, str]

MAX_BYTES = 4096
"""A key and its value together (containerd pkg/labels)."""

GC_ROOT = "containerd.io/gc.root"
GC_REF = "containerd.io/gc.ref."
GC_REF_CONTENT = "containerd.io/gc.ref.content"
GC_REF_SNAPSHOT = "containerd.io/gc.ref.snapshot."
GC_REF_IMAGE = "containerd.io/gc.ref.image"
GC_BREF = "containerd.io/gc.bref."
GC_EXPIRE = "containerd.io/gc.expire"
GC_FLAT = "containerd.io/gc.flat"
UNCOMPRESSED = "containerd.io/uncompressed"
DISTRIBUTION_SOURCE = "containerd.io/distribution.source."
SNAPSHOT_REF = "containerd.io/snapshot.ref"
SNAPSHOT_PREFIX = "containerd.io/snapshot/"
SHAREABLE = "containerd.io/namespace.shareable"


def validate(key: str, value: str) -> None:
    """Raises InvalidArgument when a label is too long."""
    size = len(key.encode()) + len(value.encode())
    if size > MAX_BYTES:
        raise errors.InvalidArgument(
            f"label key and value length ({size} bytes) greater than maximum size ({MAX_BYTES} bytes), key: {key[:64]}"
        )


def checked(labels: Labels) -> dict[str, str]:
    """A copy of valid labels; those with an empty value are not kept, since an empty value means deletion.

    Raises:
        InvalidArgument: a label is too long.
    """
    for key, value in labels.items():
        validate(key, value)
    return {key: value for key, value in labels.items() if value}


def updated(old: Labels, new: Labels, paths: Iterable[str] | None, *, field: str = "labels") -> dict[str, str]:
    """Labels after an update by field mask.

    `labels` in the mask replaces all, `labels.KEY` sets or (with no or an empty value) deletes one;
    None or an empty mask replaces all. Paths of other fields are passed over.
    """
    wanted = list(paths or ())
    if not wanted or field in wanted:
        return checked(new)
    result = dict(old)
    prefix = f"{field}."
    for path in wanted:
        if path.startswith(prefix):
            key = path.removeprefix(prefix)
            result[key] = new.get(key, "")
    return checked(result)
