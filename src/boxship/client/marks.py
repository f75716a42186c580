"""The labels that the client reads and writes on containers."""

from boxship.terms import errors, labels

LOG = "boxship.log"
"""Where a container's output is kept when nobody takes it."""
STOP_SIGNAL = "io.containerd.image.config.stop-signal"
DEFAULT_SNAPSHOTTER = "containerd.io/defaults/snapshotter"
"""On a namespace: which snapshotter is used when nobody names one."""

_RESERVED = ("containerd.io/", "io.containerd.", "io.cri-containerd", "nerdctl/", "boxship.")


def of_image(found: labels.Labels) -> dict[str, str]:
    """What may be taken over of an image's labels.

    Not those by which containerd, its clients and we steer containers: an image must not steer (CVE-2026-53488);
    nor those that are too long to be kept.
    """
    return {name: value for name, value in found.items() if _fits(name, value) and not name.startswith(_RESERVED)}


def _fits(name: str, value: str) -> bool:
    try:
        labels.validate(name, value)
    except errors.InvalidArgument:
        return False
    return bool(name and value)
