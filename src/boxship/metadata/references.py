"""What labels mean to the collection (containerd docs/garbage-collection.md). No rows here, only names.

containerd.io/gc.root                          the thing is a root
containerd.io/gc.ref.content[.X|/X]            digest of content that stays with it
containerd.io/gc.ref.image[.X|/X]              name of an image that stays with it
containerd.io/gc.ref.snapshot.SNAPSHOTTER[/X]  key of a snapshot that stays with it
containerd.io/gc.bref.NOUN...                  the other way round: it stays with the thing that is named
containerd.io/gc.cond.snapshot.SNAPSHOTTER[/X] `usedat<DURATION|KEY`: it stays with that snapshot, if that holds
containerd.io/gc.cond.value-usedat             when a snapshot was last used
containerd.io/gc.expire                        from then on a lease or an image is no root
containerd.io/gc.flat                          a lease keeps its members, but not what they refer to
"""

import datetime as dt
import re
from collections.abc import Iterator

from boxship.core.gc import Kind, Node
from boxship.terms.labels import (
    GC_BREF,
    GC_EXPIRE,
    GC_REF_CONTENT,
    GC_REF_IMAGE,
    GC_REF_SNAPSHOT,
    GC_ROOT,
    Labels,
)

USED_AT = "containerd.io/gc.cond.value-usedat"
CONDITION = "containerd.io/gc.cond.snapshot"
MARK = "containerd.io/gc."
"""What every label that matters here begins with."""

_NANOSECOND = 1_000_000_000
_LONGEST = 1 << 63  # nanoseconds that a duration of Go can hold
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def is_root(labels: Labels) -> bool:
    return any(key.startswith(GC_ROOT) for key in labels)


def forward(namespace: str, labels: Labels) -> Iterator[Node]:
    """What a thing with these labels refers to."""
    for key, value in labels.items():
        if key.startswith(GC_REF_SNAPSHOT):
            yield _snapshot(namespace, key.removeprefix(GC_REF_SNAPSHOT), value)
        elif _names(key, GC_REF_CONTENT):
            yield Node(Kind.CONTENT, namespace, value)
        elif _names(key, GC_REF_IMAGE):
            yield Node(Kind.IMAGE, namespace, value)


def backward(namespace: str, labels: Labels) -> Iterator[Node]:
    """The things that a thing with these labels stays with."""
    for key, value in labels.items():
        if not key.startswith(GC_BREF):
            continue
        rest = key.removeprefix(GC_BREF)
        if rest.startswith("snapshot."):
            yield _snapshot(namespace, rest.removeprefix("snapshot."), value)
        for noun, kind in (("container", Kind.CONTAINER), ("content", Kind.CONTENT), ("image", Kind.IMAGE)):
            if _names(rest, noun):
                yield Node(kind, namespace, value)


def conditions(namespace: str, labels: Labels) -> Iterator[tuple[Node, str, int]]:
    """Snapshots that a thing stays with under a condition: the snapshot, `<` or `>`, and nanoseconds since its last use."""
    for key, value in labels.items():
        if not key.startswith(CONDITION):
            continue
        snapshotter = key.removeprefix(CONDITION).lstrip("./")
        tests, bar, name = value.partition("|")
        for test in tests.split(",") if bar else ():
            limit = duration(test[7:])
            if test[:6] == "usedat" and test[6:7] in {"<", ">"} and limit is not None:
                yield _snapshot(namespace, snapshotter, name), test[6], limit


def used_at(labels: Labels) -> int | None:
    """When a snapshot was last used, in nanoseconds since the epoch."""
    return moment(labels[USED_AT]) if USED_AT in labels else None


def is_expired(labels: Labels, now: int) -> bool:
    """Whether the time that the labels give is over; a time that cannot be read counts as none."""
    expiry = moment(labels[GC_EXPIRE]) if GC_EXPIRE in labels else None
    return expiry is not None and expiry < now


def moment(text: str) -> int | None:
    """RFC 3339 in nanoseconds since the epoch, to the microsecond; None for anything else."""
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if time.tzinfo is None or "T" not in text.upper():
        return None
    since = time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86400 + since.seconds) * _NANOSECOND + since.microseconds * 1000


def duration(text: str) -> int | None:
    """Go's notation of durations, such as `1h30m`, in nanoseconds; None for anything else."""
    sign = -1 if text.startswith("-") else 1
    rest = text.removeprefix("-").removeprefix("+")
    if rest == "0":
        return 0
    total, at = 0.0, 0
    for part in _PART.finditer(rest):
        if part.start() != at:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    return sign * int(total) if rest and at == len(rest) and total < _LONGEST else None


def _names(key: str, prefix: str) -> bool:
    """The prefix itself, or with a name behind `.` or `/`."""
    return key.startswith(prefix) and key[len(prefix) : len(prefix) + 1] in {"", ".", "/"}


def _snapshot(namespace: str, snapshotter: str, key: str) -> Node:
    return Node(Kind.SNAPSHOT, namespace, f"{snapshotter.partition('/')[0]}/{key}")
