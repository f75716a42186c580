"""Update: other limits for a running container."""

from collections.abc import Mapping
from typing import Any

from boxship.ocirun import container, errors


def update(box: container.Container, resources: Mapping[str, Any]) -> None:
    """Write the given keys of an OCI `resources` object, leave the others; raises Fault."""
    try:
        box.cgroup.apply(resources, devices=bool(resources.get("devices")))
    except OSError as failure:
        raise errors.from_os_error("unable to set limits", failure) from None
    except ValueError as failure:
        raise errors.SpecFault(str(failure), step="update") from None
