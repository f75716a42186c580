"""Small things that every table needs: labels in and out of a row, quoting as in Go, field masks."""

import json
from collections.abc import Iterable

from boxship.terms import errors
from boxship.terms import labels as labels_

Labels = labels_.Labels

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
_decode = json.JSONDecoder().decode


def quoted(text: str) -> str:
    """A name as containerd prints it (Go's %q)."""
    return json.dumps(text, ensure_ascii=False)


def packed(values: Labels) -> str:
    """Labels as a column keeps them."""
    return _encode(dict(values)) if values else "{}"


def unpacked(text: str) -> dict[str, str]:
    """Labels out of a column."""
    return _decode(text) if text != "{}" else {}


def checked(where: str, values: Labels | None) -> dict[str, str]:
    """Valid labels without the empty ones. Raises InvalidArgument that says `where` they are."""
    try:
        return labels_.checked(values or {})
    except errors.InvalidArgument as exc:
        raise errors.InvalidArgument(f"{where}: {exc.message}") from exc


def updated(where: str, old: Labels, new: Labels, paths: Iterable[str] | None, field: str = "labels") -> dict[str, str]:
    """Labels after an update by mask (terms.labels.updated). Raises InvalidArgument that says `where` they are."""
    try:
        return labels_.updated(old, new, paths, field=field)
    except errors.InvalidArgument as exc:
        raise errors.InvalidArgument(f"{where}: {exc.message}") from exc


def only_labels(paths: Iterable[str] | None, what: str) -> list[str]:
    """The mask of a thing of which nothing but labels can change. Raises InvalidArgument naming another path."""
    wanted = list(paths or ())
    for path in wanted:
        if path != "labels" and not path.startswith("labels."):
            raise errors.InvalidArgument(f"cannot update {quoted(path)} field{what}")
    return wanted


def touches(paths: Iterable[str] | None, field: str) -> bool:
    """Whether a mask names a field or a part of it."""
    return any(path == field or path.startswith(f"{field}.") for path in paths or ())
