"""Headers that a call carries beside its message: the namespace, and the lease that holds what the call writes."""

from collections.abc import Mapping
from typing import Any

from boxship.terms import errors, identifiers

NAMESPACE = "containerd-namespace"
NAMESPACE_TTRPC = "containerd-namespace-ttrpc"
LEASE = "containerd-lease"


def namespace(metadata: Mapping[str, Any]) -> str:
    """The namespace of a call.

    Raises:
        FailedPrecondition: there is none.
        InvalidArgument: it is no identifier.
    """
    name = _first(metadata, NAMESPACE) or _first(metadata, NAMESPACE_TTRPC)
    if not name:
        raise errors.FailedPrecondition("namespace is required")
    try:
        return identifiers.validate(name)
    except errors.InvalidArgument as exc:
        raise errors.InvalidArgument(f"namespace validation: {exc.message}") from exc


def lease(metadata: Mapping[str, Any]) -> str:
    """The lease of a call, empty when it has none."""
    return _first(metadata, LEASE)


def bound(namespace: str, lease: str = "") -> dict[str, str]:
    """The headers of a call that is bound to a namespace and perhaps a lease."""
    headers = {NAMESPACE: namespace, NAMESPACE_TTRPC: namespace}
    if lease:
        headers[LEASE] = lease
    return headers


def _first(metadata: Mapping[str, Any], key: str) -> str:
    values = metadata.get(key)
    return str(values[0]) if values else ""
