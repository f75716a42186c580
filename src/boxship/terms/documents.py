"""JSON documents of strangers, read so that they have one meaning only.

Python's reader keeps the last of two equal keys, Go's takes names in any case, others the first: an image that reads
differently to who checks it and who runs it is an attack. Such documents are refused instead of guessed at.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from boxship.terms import errors

LIMIT = 4 * 1024 * 1024
DEEPEST = 64
_INT64 = 2**63


def load(data: bytes, *, limit: int = LIMIT, where: str = "document") -> Any:
    """Read JSON that has one meaning only.

    Args:
        data: UTF-8.
        limit: bytes that are accepted.
        where: what the document is, for messages.

    Raises:
        InvalidArgument: it is too long or too deep, no JSON, or ambiguous: a key twice, NaN, an integer beyond int64,
            a lone surrogate, a byte order mark.
    """
    if len(data) > limit:
        refuse(where, f"{len(data)} bytes are more than the {limit} that are accepted")
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        refuse(where, f"no UTF-8 at byte {exc.start}")
    _bound_depth(text, where)
    try:
        found = json.loads(
            text, object_pairs_hook=_unambiguous, parse_constant=_no_number, parse_int=_int64, parse_float=_float
        )
    except ValueError as exc:
        refuse(where, str(exc))
    # A lone surrogate can only come from an escape; nearly no document has any.
    if "\\u" in text:
        _without_surrogates(found, where)
    return found


def _bound_depth(text: str, where: str) -> None:
    """The parser of the standard library recurses, so depth is counted first. Brackets in strings do not count."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for at, piece in enumerate(text.replace("\\\\", "").replace('\\"', "").split('"')):
        if at % 2:
            continue
        for letter in piece:
            if letter in "[{":
                depth += 1
                if depth > DEEPEST:
                    refuse(where, f"nested deeper than {DEEPEST}")
            elif letter in "]}":
                depth -= 1


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice[:100]!r} stands twice in an object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _int64(text: str) -> int:
    if len(text) > 20 or not -_INT64 <= (number := int(text)) < _INT64:
        raise ValueError(f"integer {text[:30]} does not fit into 64 bits")
    return number


def _float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"number {text[:30]} is too large")
    return number


def _without_surrogates(value: object, where: str) -> None:
    match value:
        case str():
            if any("\ud800" <= letter <= "\udfff" for letter in value):
                refuse(where, "a string holds half a character (lone surrogate)")
        case list():
            for each in value:
                _without_surrogates(each, where)
        case dict():
            for key, each in value.items():
                _without_surrogates(key, where)
                _without_surrogates(each, where)


# The kinds of fields. Go writes null for an empty list or map, so null is an empty one.


def refuse(where: str, cause: str) -> NoReturn:
    raise errors.InvalidArgument(f"{where}: {cause}")


def mapping(value: object, where: str) -> dict[str, Any]:
    """A map whose keys are data."""
    if not isinstance(value, dict):
        refuse(where, "is no JSON object")
    return value


def struct(value: object, known: Mapping[str, str], where: str) -> dict[str, Any]:
    """A map whose keys are names of fields; Go's reader would take them in any case, others would not."""
    found = mapping(value, where)
    for key in found:
        meant = known.get(key.lower())
        if meant is not None and meant != key:
            refuse(where, f"{key!r} must be written {meant!r}")
    return found


def names(text: str) -> Mapping[str, str]:
    return {name.lower(): name for name in text.split()}


def string(fields: Mapping[str, Any], key: str, where: str) -> str:
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        refuse(where, f"{key} is no string")
    return value or ""


def texts(fields: Mapping[str, Any], key: str, where: str) -> list[str]:
    value = fields.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        refuse(where, f"{key} is no list of strings")
    return value


def strings(fields: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    value = fields.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        refuse(where, f"{key} holds something else than strings")
    return value
