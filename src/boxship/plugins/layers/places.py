"""Where a layer goes, told by mounts: straight into a folder wherever one shows all, else through a mount."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from boxship.core import mounts
from boxship.linux import mounts as kernel
from boxship.linux import overlays
from boxship.plugins.layers import faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A folder to write into.

    Attributes:
        overlay: the prefix of overlay's attributes when the folder is an upper one, else empty.
        lowers: the folders below it, newest first.
    """

    path: str
    overlay: str = ""
    lowers: tuple[str, ...] = ()


def direct(items: Sequence[mounts.Mount]) -> Target | None:
    """The folder that can be written without a mount; None when there is none."""
    if len(items) != 1 or items[0].target:
        return None
    [item] = items
    if item.type == "bind" and not item.read_only:
        return Target(path=item.source)
    if item.type != "overlay":
        return None
    upper, lowers = stack(item)
    if not upper or item.read_only:
        return None
    return Target(path=upper, overlay="user." if "userxattr" in item.options else "trusted.", lowers=lowers)


def stack(item: mounts.Mount) -> tuple[str, tuple[str, ...]]:
    """An overlay's upper folder, empty if there is none, and its lower ones, newest first."""
    upper, lowers = "", ""
    for option in item.options:
        name, _, value = option.partition("=")
        if name == "upperdir":
            upper = value
        elif name == "lowerdir":
            lowers = value
    return upper, tuple(path for path, _ in overlays.lower_folders(lowers)) if lowers else ()


@contextlib.contextmanager
def opened(items: Sequence[mounts.Mount]) -> Iterator[tuple[int, Target]]:
    """A descriptor of the folder that the mounts show, and what is known of it.

    Raises errors with a class when something cannot be mounted or opened.
    """
    with contextlib.ExitStack() as cleanup:
        target = direct(items) or Target(path=cleanup.enter_context(_mounted(items)))
        yield cleanup.enter_context(_folder(target.path)), target


@contextlib.contextmanager
def compared(lower: Sequence[mounts.Mount], upper: Sequence[mounts.Mount]) -> Iterator[tuple[int, int, str]]:
    """Descriptors of the folders to compare, and the prefix of overlay's attributes when the second is an upper folder
    that lies on the first. The first is -1 when there is nothing below.
    """
    with contextlib.ExitStack() as cleanup:
        below = cleanup.enter_context(_shown(lower)) if lower else -1
        target = direct(upper)
        if target is not None and target.overlay and target.lowers == _layers(lower) and not _redirected(upper[0]):
            yield below, cleanup.enter_context(_folder(target.path)), target.overlay
        else:
            yield below, cleanup.enter_context(_shown(upper)), ""


def _layers(items: Sequence[mounts.Mount]) -> tuple[str, ...]:
    """The folders that make up what is shown, newest first; empty when they are not known."""
    if len(items) != 1 or items[0].target:
        return ()
    [item] = items
    if item.type == "bind":
        return (item.source,)
    upper, lowers = stack(item) if item.type == "overlay" else ("", ())
    return (upper, *lowers) if upper else lowers


def _redirected(item: mounts.Mount) -> bool:
    """Whether an upper folder may hold names whose content lies elsewhere (renamed folders, metadata without data)."""
    for option in ("redirect_dir", "metacopy"):
        said = [value for value in item.options if value.startswith(f"{option}=")]
        if said:
            if not said[-1].endswith(("=off", "=nofollow")):
                return True
            continue
        try:
            with open(f"/sys/module/overlay/parameters/{option}", encoding="ascii") as file:
                if file.read(8).strip() not in {"N", "off", "0"}:
                    return True
        except OSError:
            continue
    return False


@contextlib.contextmanager
def _shown(items: Sequence[mounts.Mount]) -> Iterator[int]:
    """A descriptor of what the mounts show, for reading."""
    with contextlib.ExitStack() as cleanup:
        plain = len(items) == 1 and items[0].type == "bind" and not items[0].target
        path = items[0].source if plain else cleanup.enter_context(_mounted([_reading(item) for item in items]))
        yield cleanup.enter_context(_folder(path))


@contextlib.contextmanager
def _folder(path: str) -> Iterator[int]:
    with faults.told(f"cannot open {path}"):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _mounted(items: Sequence[mounts.Mount]) -> Iterator[str]:
    import tempfile  # few layers need a mount

    with tempfile.TemporaryDirectory(prefix="boxship-layer-") as folder:
        wanted = [
            kernel.Mount(type=item.type, source=item.source, target=item.target, options=item.options) for item in items
        ]
        with faults.told("cannot mount"):
            kernel.mount_all(wanted, folder)
        try:
            yield folder
        finally:
            kernel.umount_all(folder, kernel.MNT_DETACH)


def _reading(item: mounts.Mount) -> mounts.Mount:
    """The same mount, for reading: an overlay in use can be mounted again only without its upper folder's work."""
    options = [option for option in item.options if option != "rw" and not option.startswith("workdir=")]
    if item.type == "overlay":
        upper, lowers = stack(item)
        if upper:
            options = [option for option in options if not option.startswith(("upperdir=", "lowerdir="))]
            options.append("lowerdir=" + ":".join([upper, *lowers]))
            if not lowers:
                return mounts.Mount(type="bind", source=upper, target=item.target, options=("rbind", "ro"))
    return mounts.Mount(type=item.type, source=item.source, target=item.target, options=(*options, "ro"))
