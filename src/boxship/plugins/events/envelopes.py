"""What may go through the exchange, and what filters may ask of it (containerd core/events)."""

from collections.abc import Mapping, Sequence
from typing import Any

from boxship.core import events
from boxship.terms import errors, identifiers


def check(envelope: events.Envelope) -> None:
    """Raises InvalidArgument unless the envelope says who, what and when."""
    try:
        identifiers.validate(envelope.namespace)
    except errors.InvalidArgument as exc:
        raise errors.InvalidArgument(f"event envelope has invalid namespace: {exc.message}") from exc
    events.check_topic(envelope.topic)
    if not envelope.timestamp:
        raise errors.InvalidArgument("timestamp must be set on forwarded event")


def value_at(fields: Mapping[str, Any], path: Sequence[str]) -> str | None:
    """The text at a path in a payload; None for what is absent, empty, or no text. Maps are asked for the whole rest."""
    found: Any = fields
    for number, part in enumerate(path):
        if not isinstance(found, Mapping):
            return None
        rest = ".".join(path[number:])
        if rest in found:
            found = found[rest]
            break
        found = found.get(part)
    return found if isinstance(found, str) and found else None
