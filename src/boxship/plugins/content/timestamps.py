"""Times as Go's time.Time writes them in text: RFC 3339 with up to nine digits of a second."""

import datetime as dt
import re

_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
SECOND = 1_000_000_000


def to_text(time: int) -> str:
    """`time` in nanoseconds since the epoch, as UTC."""
    seconds, rest = divmod(time, SECOND)
    whole = dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{whole}{fraction}Z"


def from_text(text: str) -> int | None:
    """Nanoseconds since the epoch, or None when the text is no time."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        return None
    whole, fraction, zone = found.groups()
    try:
        moment = dt.datetime.fromisoformat(whole + ("+00:00" if zone == "Z" else zone))
    except ValueError:
        return None
    return int(moment.timestamp()) * SECOND + int((fraction or "").ljust(9, "0"))
