"""Identifiers name namespaces, containers, leases and the like (containerd pkg/identifiers)."""

import functools
import re

from boxship.terms import errors

MAX_LENGTH = 76
_REMEMBERED = 256  # a daemon is told the same few with each call
_FORM = re.compile(r"[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*", re.ASCII)


@functools.lru_cache(maxsize=_REMEMBERED)
def validate(text: str) -> str:
    """The identifier itself.

    Raises:
        InvalidArgument: it is empty, too long or has other characters than letters, digits and single `.`, `_`, `-`.
    """
    if not text:
        raise errors.InvalidArgument("identifier must not be empty")
    if len(text) > MAX_LENGTH:
        raise errors.InvalidArgument(f'identifier "{text[:200]}" greater than maximum length ({MAX_LENGTH} characters)')
    if not _FORM.fullmatch(text):
        pattern = "^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$"
        raise errors.InvalidArgument(f'identifier "{text}" must match {pattern}')
    return text
