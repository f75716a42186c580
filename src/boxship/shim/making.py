"""Making a container out of a Create request: its options, its root file system, its runtime."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boxship.api import runc_options_pb2
from boxship.linux import cgroups, mounts
from boxship.shim import containers, inprocess, loop, program, reaping, rootfs, runtimes, stdio
from boxship.terms import errors

OPTIONS_TYPES = {"containerd.runc.v1.Options", "containerd.linux.runc.Options"}
DEFAULT_RUNTIME_ROOT = "/run/containerd/runc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """What all containers of this shim have in common.

    Attributes:
        shim: pid of the shim itself, whose worker we are.
        sockets: a folder of ours with a short path.
        runtime_root: where foreign runtimes keep their state, unless the options say.
        filters: where our own keeps compiled seccomp filters; None for nowhere.
    """

    events: loop.Loop
    children: reaping.Children
    namespace: str
    shim: int
    sockets: str
    runtime_root: str = DEFAULT_RUNTIME_ROOT
    filters: str | None = None

    def make(self, request: Any, ended: containers.Ended) -> containers.Container:
        """Raises errors.Error; nothing is left then."""
        options = read_options(request.options)
        if request.checkpoint and not options.binary_name:
            raise errors.NotImplemented("restoring from a checkpoint needs a runtime with CRIU; name one by BinaryName")
        _note(request.bundle, options)
        _join_cgroup(options.shim_cgroup, self.shim)
        plan = _plan(request, options)
        runtime = self._runtime(plan)
        if request.rootfs:
            _mount(request)
        container = self._container(plan, runtime, ended)
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

    def restore(self, state: Mapping[str, Any], ended: containers.Ended) -> containers.Container:
        """The container of a `Container.state`."""
        container = self._container(state["plan"], self._runtime(state["plan"]), ended)
        container.restore(state)
        return container

    def _container(
        self, plan: Mapping[str, Any], runtime: runtimes.Runtime, ended: containers.Ended
    ) -> containers.Container:
        return containers.Container(
            plan,
            events=self.events,
            children=self.children,
            runtime=runtime,
            owner=stdio.Owner(id=plan["id"], namespace=self.namespace, uid=plan["uid"], gid=plan["gid"]),
            ended=ended,
        )

    def _runtime(self, plan: Mapping[str, Any]) -> runtimes.Runtime:
        id, bundle = plan["id"], plan["bundle"]
        if not plan["binary"]:
            return inprocess.OwnRuntime(
                id=id,
                bundle=bundle,
                filters=self.filters,
                rootfs=os.path.join(bundle, "rootfs") if plan["mounted"] else None,
                **plan["ways"],
            )
        return program.ProgramRuntime(
            binary=plan["binary"],
            root=os.path.join(plan["root"] or self.runtime_root, self.namespace),
            id=id,
            bundle=bundle,
            sockets=self.sockets,
            **plan["ways"],
        )


def _plan(request: Any, options: Any) -> dict[str, Any]:
    """What of a request a container needs all its life; of JSON's types only."""
    return {
        "id": request.id,
        "bundle": request.bundle,
        "mounted": bool(request.rootfs),
        "uid": options.io_uid,
        "gid": options.io_gid,
        "binary": options.binary_name,
        "root": options.root,
        "ways": {
            "systemd_cgroup": options.systemd_cgroup,
            "no_pivot": options.no_pivot_root,
            "no_new_keyring": options.no_new_keyring,
        },
    }


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


def _join_cgroup(path: str, shim: int) -> None:
    if path:
        try:
            for pid in (shim, os.getpid()):
                cgroups.make(path).add(pid)
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
