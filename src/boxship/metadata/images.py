"""Images as rows. Of the target what containerd keeps is kept: media type, digest, size, annotations."""

import dataclasses
from collections.abc import Iterable, Sequence

from boxship.core import images
from boxship.metadata import checks, fields, leases, rows
from boxship.terms import digests, errors, labels, oci

_ONE = """
SELECT name, media_type, digest, size, annotations, labels, created_at, updated_at
FROM images WHERE namespace = ? AND name = ?"""
_ALL = """
SELECT name, media_type, digest, size, annotations, labels, created_at, updated_at
FROM images WHERE namespace = ? ORDER BY name"""
_MAKE = """
INSERT INTO images (namespace, name, media_type, digest, size, annotations, labels, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
_CHANGE = """
REPLACE INTO images (namespace, name, media_type, digest, size, annotations, labels, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class ImagesBook:
    """The images of one namespace. `collect` is what a synchronous deletion waits for."""

    def __init__(self, table: rows.Rows, namespace: str, lease: str, collect: rows.Collect) -> None:
        self._rows = table
        self._namespace = namespace
        self._lease = lease
        self._collect = collect

    def get(self, name: str) -> images.Image:
        return self._get(self._rows, name)

    def list(self, filters: Sequence[str] = ()) -> Sequence[images.Image]:
        wanted = fields.wanted_records(filters)
        names = fields.named(wanted, "name")
        if names is None:
            found = self._rows.many(_ALL, (self._namespace,))
        else:
            found = [row for name in names for row in self._rows.many(_ONE, (self._namespace, name))]
        return [image for image in map(_image, found) if wanted.matches(fields.of_image(image))]

    def create(self, image: images.Image, *, created_at: int | None = None) -> images.Image:
        now = self._rows.clock() if created_at is None else created_at
        made = dataclasses.replace(_checked(image), created_at=now, updated_at=now)
        with self._rows.writing() as transaction:
            transaction.use(self._namespace)
            self._hold(transaction, made)
            if not transaction.execute(_MAKE, (self._namespace, *_values(made))).rowcount:
                raise errors.AlreadyExists(f"image {checks.quoted(made.name)}")
            self._announce(transaction, "create", "ImageCreate", made)
        return made

    def update(
        self, image: images.Image, paths: Iterable[str] | None = None, *, updated_at: int | None = None
    ) -> images.Image:
        if not image.name:
            raise errors.InvalidArgument("image name is required for update")
        wanted = list(paths or ())
        with self._rows.writing() as transaction:
            old = self._get(transaction, image.name)
            changed = _checked(_masked(old, image, wanted) if wanted else image)
            self._hold(transaction, changed)
            now = self._rows.clock() if updated_at is None else updated_at
            changed = dataclasses.replace(changed, created_at=old.created_at, updated_at=now)
            transaction.execute(_CHANGE, (self._namespace, *_values(changed)))
            self._announce(transaction, "update", "ImageUpdate", changed)
        return changed

    def delete(self, name: str, *, target: str = "", synchronous: bool = False) -> None:
        with self._rows.writing(frees=True) as transaction:
            old = self._get(transaction, name)
            if target and old.target.digest != target:
                raise errors.NotFound(f"image {checks.quoted(name)} has target {old.target.digest}, not {target}")
            transaction.execute("DELETE FROM images WHERE namespace = ? AND name = ?", (self._namespace, name))
            leases.release(transaction, self._namespace, self._lease, leases.IMAGES, name)
            transaction.announce(
                self._namespace, "/images/delete", "containerd.services.images.v1.ImageDelete", name=name
            )
            transaction.freed = True
        if synchronous:
            self._collect()

    def _get(self, source: rows.Rows | rows.Transaction, name: str) -> images.Image:
        row = source.one(_ONE, (self._namespace, name))
        if row is None:
            raise errors.NotFound(f"image {checks.quoted(name)}")
        return _image(row)

    def _hold(self, transaction: rows.Transaction, image: images.Image) -> None:
        """An image is a root by itself, unless it expires: only then does it need the lease."""
        if labels.GC_EXPIRE in image.labels:
            leases.hold(transaction, self._namespace, self._lease, leases.IMAGES, image.name)

    def _announce(self, transaction: rows.Transaction, verb: str, name: str, image: images.Image) -> None:
        full = f"containerd.services.images.v1.{name}"
        transaction.announce(self._namespace, f"/images/{verb}", full, name=image.name, labels=dict(image.labels))


def _image(row: rows.Row) -> images.Image:
    name, media_type, digest, size, annotations, image_labels, created_at, updated_at = row
    return images.Image(
        name=name,
        target=oci.Descriptor(
            media_type=media_type, digest=digest, size=size, annotations=checks.unpacked(annotations)
        ),
        labels=checks.unpacked(image_labels),
        created_at=created_at,
        updated_at=updated_at,
    )


def _values(image: images.Image) -> tuple[object, ...]:
    target = image.target
    kept = {key: value for key, value in target.annotations.items() if value}
    return (
        *(image.name, target.media_type, target.digest, target.size, checks.packed(kept)),
        *(checks.packed(image.labels), image.created_at, image.updated_at),
    )


def _checked(image: images.Image) -> images.Image:
    """The image without empty labels. Raises InvalidArgument."""
    if not image.name:
        raise errors.InvalidArgument("image name must not be empty")
    kept = checks.checked("image.Labels", image.labels)
    try:
        digests.parse(image.target.digest)
    except errors.InvalidArgument as exc:
        raise errors.InvalidArgument(
            f"target.Digest {checks.quoted(image.target.digest[:200])} invalid: {exc.message}"
        ) from exc
    if image.target.size <= 0:
        raise errors.InvalidArgument("target.Size must be greater than zero")
    if not image.target.media_type:
        raise errors.InvalidArgument("target.MediaType must be set")
    return dataclasses.replace(image, labels=kept)


def _masked(old: images.Image, new: images.Image, paths: Sequence[str]) -> images.Image:
    for path in paths:
        if path not in {"labels", "target", "annotations"} and not path.startswith(("labels.", "annotations.")):
            raise errors.InvalidArgument(
                f"cannot update {checks.quoted(path)} field on image {checks.quoted(new.name)}"
            )
    target = new.target if "target" in paths else old.target
    if checks.touches(paths, "annotations"):
        base = {} if "annotations" in paths else dict(target.annotations)
        keys = (
            new.target.annotations
            if "annotations" in paths
            else [path.removeprefix("annotations.") for path in paths if path.startswith("annotations.")]
        )
        changed = base | {key: new.target.annotations.get(key, "") for key in keys}
        target = dataclasses.replace(target, annotations={key: value for key, value in changed.items() if value})
    kept = old.labels
    if checks.touches(paths, "labels"):
        kept = checks.updated("image.Labels", old.labels, new.labels, paths)
    return dataclasses.replace(old, target=target, labels=kept)


_: type[images.Store] = ImagesBook
