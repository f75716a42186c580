"""What a caller may wish for a container, and the runtime spec that follows from it and the image."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from boxship.core import mounts
from boxship.terms import platforms
from boxship.terms.typed import TypedBytes


class Options(TypedDict, total=False):
    """The keyword arguments of `containers.create` and `containers.run`; all may be left out.

    Attributes:
        name: the container's id; without one 12 hex digits are made up.
        env: on top of the image's; `NAME=value` entries (`NAME` alone unsets), or a mapping.
        cwd: an absolute path inside; the image's working folder without it.
        user: as in an image: `name`, `uid`, `name:group`, ...
        hostname: the container's id without it.
        mounts: see `mount_of` and `volume`.
        memory: bytes. cpus: number of processors. pids_limit: processes, -1 for any number.
        read_only: the root file system cannot be written.
        network: "none" (a network namespace of its own, with loopback only) or "host".
        entrypoint: instead of the image's; its command is then not used either. Empty: none.
        cap_add, cap_drop: names of capabilities, or ALL.
        security_opt: `no-new-privileges[=BOOL]`, `seccomp=unconfined`, `seccomp=PATH`.
        privileged: all capabilities and devices, nothing masked, no seccomp.
        platform: of the image: `linux/arm64`.
        pull: "missing" (the default), "always" or "never".
        labels: on top of the image's.
        terminal: the process gets one.
        runtime: `io.containerd.runc.v2` without it. runtime_options: what its shim understands.
        snapshotter: the daemon's default one without it.
        log: where a detached container writes, "" for nowhere; below the daemon's root without it.
    """

    name: str
    env: Mapping[str, str] | Sequence[str]
    cwd: str
    user: str
    hostname: str
    mounts: Sequence[mounts.Mount]
    memory: int | None
    cpus: float | None
    pids_limit: int | None
    read_only: bool
    network: str
    entrypoint: Sequence[str] | None
    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    security_opt: Sequence[str]
    privileged: bool
    platform: str | platforms.Platform | None
    pull: str
    labels: Mapping[str, str]
    terminal: bool
    runtime: str
    runtime_options: TypedBytes | None
    snapshotter: str
    log: str | None


def volume(text: str) -> mounts.Mount:
    """The bind mount that `SOURCE:TARGET[:ro]` asks for. Raises InvalidArgument."""
    raise NotImplementedError


def mount_of(text: str) -> mounts.Mount:
    """The mount that `type=bind,src=/a,dst=/b,options=rbind:ro` asks for, as ctr's --mount. Raises InvalidArgument."""
    raise NotImplementedError
