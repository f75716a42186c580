"""Digests name content by its hash: `sha256:` and 64 lower-case hex digits (OCI image-spec, descriptor.md#digests)."""

import functools
import re
from typing import Protocol

from boxship.terms import errors

_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_FORM = re.compile(r"[A-Za-z0-9_+.-]{1,32}:[0-9a-f]{1,128}", re.ASCII)

CANONICAL = "sha256"
_REMEMBERED = 256  # a daemon is told the same few again and again


class Hash(Protocol):
    """The part of hashlib's objects that is used here."""

    def update(self, data: bytes | memoryview | bytearray, /) -> None: ...
    def copy(self) -> "Hash": ...
    def hexdigest(self) -> str: ...


@functools.lru_cache(maxsize=_REMEMBERED)
def parse(text: str) -> str:
    """The digest itself when it is well formed and its algorithm is known.

    Raises:
        InvalidArgument: otherwise; a digest ends up in paths, so nothing else gets through.
    """
    if not _FORM.fullmatch(text):
        raise errors.InvalidArgument(f"digest {text[:200]!r} is not of the form algorithm:hex")
    name, _, encoded = text.partition(":")
    length = _LENGTHS.get(name)
    if length is None:
        raise errors.InvalidArgument(
            f"digest {text!r}: algorithm {name!r} is not supported, only {', '.join(_LENGTHS)} are"
        )
    if len(encoded) != length:
        raise errors.InvalidArgument(f"digest {text!r}: {name} has {length} hex digits, not {len(encoded)}")
    return text


def algorithm(digest: str) -> str:
    return digest.partition(":")[0]


def encoded(digest: str) -> str:
    return digest.partition(":")[2]


def hasher(name: str = CANONICAL) -> Hash:
    """A fresh hash of the named algorithm. Raises InvalidArgument when it is unknown."""
    if name not in _LENGTHS:
        raise errors.InvalidArgument(f"digest algorithm {name!r} is not supported")
    import hashlib  # brings OpenSSL, some 4 MB, and a daemon may go long without

    return hashlib.new(name, usedforsecurity=False)


def of(data: bytes, name: str = CANONICAL) -> str:
    """The digest of some bytes."""
    digest = hasher(name)
    digest.update(data)
    return f"{name}:{digest.hexdigest()}"
