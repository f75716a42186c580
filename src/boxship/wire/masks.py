"""Field masks: which fields of a record an update is about."""

from collections.abc import Iterable

from boxship.api import field_mask_pb2


def paths(mask: field_mask_pb2.FieldMask) -> list[str] | None:
    """None when the mask says nothing, which means everything."""
    return list(mask.paths) or None


def message(paths: Iterable[str] | None) -> field_mask_pb2.FieldMask | None:
    return None if paths is None else field_mask_pb2.FieldMask(paths=paths)
