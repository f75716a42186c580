"""Making a container out of a Create request: its options, its root file system, its runtime."""

import contextlib
import json
import os
from dataclasses import dataclass
from typing import Any

from boxship.api import runc_options_pb2
from boxship.linux import cgroups, mounts
from boxship.shim import containers, inprocess, loop, program, rootfs, runtimes, stdio
from boxship.terms import errors

OPTIONS_TYPES = {"containerd.runc.v1.Options", "containerd.linux.runc.Options"}
DEFAULT_RUNTIME_ROOT = "/run/containerd/runc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """What all containers of this shim have in common.

    Attributes:
        sockets: a folder of ours with a short path.
        runtime_root: where foreign runtimes keep their state, unless the options say.
        filters: where our own keeps compiled seccomp filters; None for nowhere.
    """

    events: loop.Loop
    children: loop.Children
    namespace: str
    sockets: str
    runtime_root: str = DEFAULT_RUNTIME_ROOT
    filters: str | None = None

    def make(self, request: Any, ended: containers.Ended) -> containers.Container:
        """Raises errors.Error; nothing is left then."""
        options = read_options(request.options)
        if request.checkpoint and not options.binary_name:
            raise errors.NotImplemented("restoring from a checkpoint needs a runtime with CRIU; name one by BinaryName")
        _note(request.bundle, options)
        _join_cgroup(options.shim_cgroup)
        runtime = self._runtime(request, options)
        if request.rootfs:
            _mount(request)
        container = containers.Container(
            request.id,
            request.bundle,
            events=self.events,
            children=self.children,
            runtime=runtime,
            owner=stdio.Owner(id=request.id, namespace=self.namespace, uid=options.io_uid, gid=options.io_gid),
            mounted=bool(request.rootfs),
            ended=ended,
        )
        try:
            container.create(
                stdio.Names(
                    stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, terminal=request.terminal
                )
            )
        except BaseException as error:
            container.abandon()
            if isinstance(error, OSError):
                raise errors.Unknown(f"failed to create init process I/O: {error}") from error
            raise
        return container

    def _runtime(self, request: Any, options: Any) -> runtimes.Runtime:
        if not options.binary_name:
            return inprocess.OwnRuntime(
                id=request.id,
                bundle=request.bundle,
                filters=self.filters,
                rootfs=os.path.join(request.bundle, "rootfs") if request.rootfs else None,
                systemd_cgroup=options.systemd_cgroup,
                no_pivot=options.no_pivot_root,
                no_new_keyring=options.no_new_keyring,
            )
        return program.ProgramRuntime(
            binary=options.binary_name,
            root=os.path.join(options.root or self.runtime_root, self.namespace),
            id=request.id,
            bundle=request.bundle,
            sockets=self.sockets,
            systemd_cgroup=options.systemd_cgroup,
            no_pivot=options.no_pivot_root,
            no_new_keyring=options.no_new_keyring,
        )


def read_options(packed: Any) -> Any:
    """containerd.runc.v1.Options out of an Any; empty ones when there are none. Raises InvalidArgument."""
    if not packed.value:
        return runc_options_pb2.Options()
    if packed.type_url.rpartition("/")[2] not in OPTIONS_TYPES:
        raise errors.InvalidArgument(f"runtime options of type {packed.type_url!r}, only containerd.runc.v1.Options")
    try:
        return runc_options_pb2.Options.FromString(packed.value)
    except Exception as error:
        raise errors.InvalidArgument(f"runtime options cannot be read: {error}") from error


def _note(bundle: str, options: Any) -> None:
    """Leave what a later `delete` must know in the bundle, as containerd-shim-runc-v2 does."""
    noted = {field.name: value for field, value in options.ListFields()}
    for name, content in (("options.json", json.dumps(noted)), ("runtime", options.binary_name)):
        with open(os.path.join(bundle, name), "w", encoding="utf-8", opener=_private) as file:
            file.write(content)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _join_cgroup(path: str) -> None:
    if path:
        try:
            cgroups.make(path).add(os.getpid())
        except OSError as error:
            raise errors.Unknown(f"failed to join cgroup {path}: {error}") from error


def _mount(request: Any) -> None:
    items = [
        mounts.Mount(type=item.type, source=item.source, target=item.target, options=tuple(item.options))
        for item in request.rootfs
    ]
    target = os.path.join(request.bundle, "rootfs")
    try:
        rootfs.mount(items, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            rootfs.unmount(target)
        raise errors.Unknown(f"failed to mount rootfs component: {error}") from error
