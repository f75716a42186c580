"""Containers: made from images, started, watched, removed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from boxship.client import async_sessions, logfiles, marks, outputs, results
from boxship.client._async import container
from boxship.core import containers as records
from boxship.core import tasks
from boxship.proxies._async import containers as containers_proxy
from boxship.proxies._async import tasks as tasks_proxy
from boxship.terms import errors

if TYPE_CHECKING:
    from boxship.client import wishes
    from boxship.client._async import facts, images
    from boxship.core import images as names
    from boxship.core import mounts, specs
    from boxship.proxies._async import snapshots as snapshots_proxy
    from boxship.terms import oci, platforms

_REMEMBERED = 256


class AsyncContainers:
    """`facts` and `pictures` give what is needed to make containers, and load it first."""

    def __init__(
        self,
        session: async_sessions.AsyncSession,
        facts: Callable[[], facts.AsyncFacts],
        pictures: Callable[[], images.AsyncImages],
    ) -> None:
        self._session = session
        self._facts = facts
        self._images = pictures
        self._store = containers_proxy.ContainersProxy(session.caller)
        self._tasks = tasks_proxy.TasksProxy(session.caller)
        self._users: dict[tuple[str, str], specs.User] = {}

    async def run(
        self,
        image: str,
        args: Sequence[str] | None = None,
        *,
        stdin: BinaryIO | bytes | None = None,
        stdout: outputs.Sink | None = None,
        stderr: outputs.Sink | None = None,
        remove: bool = True,
        **options: Unpack[wishes.Options],
    ) -> results.Result:
        """Make a container, run it to its end, remove it, and say what it wrote.

        Args:
            image: its name; pulled when it is not here (see the option `pull`).
            args: the command; the image's without it.
            stdin: where input is read from until it ends, or all of it as bytes.
            stdout: called with output as it comes, in a thread of its own; such output is not in the result.
            stderr: the same for errors.
            remove: False leaves the container, stopped.
            **options: see wishes.Options.
        """
        if remove:
            options.setdefault("log", "")
        output, said = outputs.Gathered(), outputs.Gathered()
        made = await self.create(image, args, **options)
        try:
            process = await made.start_known(stdin=stdin, stdout=stdout or output, stderr=stderr or said)
            async with process:
                status = await process.wait()
            if remove:
                await process.delete()
                await made.forget()
        except BaseException:
            with contextlib.suppress(errors.Error):
                await made.remove(force=True)
            raise
        return results.Result(exit_status=status, output=output.value(), errors=said.value())

    async def create(
        self, image: str, args: Sequence[str] | None = None, **options: Unpack[wishes.Options]
    ) -> container.AsyncContainer:
        """Make a container from an image, not started. What was made is undone when something fails.

        Raises:
            NotFound: no such image, and it may not be or cannot be pulled.
            AlreadyExists: the name is taken.
            InvalidArgument: a wish that cannot be.
            TypeError: an option that there is not, or a command that is one string.
        """
        from boxship.client import wishes
        from boxship.core import chains, specs

        matcher = wishes.matcher(options.get("platform"))
        id = wishes.name(options.get("name") or os.urandom(6).hex())
        found, config = await self._image(image, matcher, options)
        namespace = self._session.caller.namespace
        user = options.get("user") or config.user
        place = (chains.chain_id(config.diff_ids), user)
        record = records.Container(
            id=id,
            image=found.name,
            runtime=records.Runtime(
                name=options.get("runtime") or wishes.RUNTIME, options=options.get("runtime_options")
            ),
            spec=specs.to_bytes(wishes.spec(namespace, id, config, args, options, self._users.get(place))),
            snapshotter=await self._facts().snapshotter(namespace, options.get("snapshotter", "")),
            snapshot_key=id,
            labels=await self._labels(id, config, options),
        )
        return container.AsyncContainer(self._session, await self._make(record, found, place, matcher))

    async def get(self, id: str) -> container.AsyncContainer:
        """Raises NotFound."""
        return container.AsyncContainer(self._session, await self._store.get(id))

    async def list(self, *, all: bool = True, filters: Sequence[str] = ()) -> Sequence[container.AsyncContainer]:
        """Containers in order of ids; without `all` those that run (or are paused)."""
        found = [container.AsyncContainer(self._session, record) for record in await self._store.list(filters)]
        if all:
            return found
        alive = {id for id, state in (await self.states()).items() if state.status is not tasks.Status.STOPPED}
        return [each for each in found if each.id in alive]

    async def states(self) -> dict[str, results.State]:
        """The state of every container that has a task, by id, in one call."""
        return {process.container_id or process.id: container.state_of(process) for process in await self._tasks.list()}

    async def label(self, id: str, labels: Mapping[str, str]) -> records.Container:
        """Set labels of a container; an empty value removes one. Raises NotFound."""
        return await (await self.get(id)).label(labels)

    async def _image(
        self, name: str, matcher: platforms.Matcher, options: wishes.Options
    ) -> tuple[names.Image, oci.ImageConfig]:
        policy = options.get("pull", "missing")
        if policy not in {"always", "missing", "never"}:
            raise errors.InvalidArgument(f"pull {policy!r}: it can be always, missing or never")
        if policy != "always":
            try:
                found = await self._images().get(name)
                return found, await self._images().config_of(found, matcher)
            except errors.NotFound:
                if policy == "never":
                    raise
        pulled = await self._images().pull(
            name, platform=options.get("platform"), snapshotter=options.get("snapshotter", "")
        )
        return pulled, await self._images().config_of(pulled, matcher)

    async def _labels(self, id: str, config: oci.ImageConfig, options: wishes.Options) -> dict[str, str]:
        found = marks.of_image(config.labels)
        if config.stop_signal:
            found[marks.STOP_SIGNAL] = config.stop_signal
        log = options.get("log")
        if log is None:
            log = logfiles.path_for(await self._facts().root(), self._session.caller.namespace, id)
        if log:
            found[marks.LOG] = log
        return {**found, **options.get("labels", {})}

    async def _make(
        self, record: records.Container, image: names.Image, place: tuple[str, str], matcher: platforms.Matcher
    ) -> records.Container:
        """The record first: it tells whether the name is free, and keeps the snapshot from being collected."""
        from boxship.proxies._async import snapshots as snapshots_proxy

        snapshotter = snapshots_proxy.SnapshotsProxy(self._session.caller, record.snapshotter)
        async with contextlib.AsyncExitStack() as undo:
            made = await self._store.create(record)
            undo.push_async_callback(_quietly, lambda: self._store.delete(record.id))
            shown = await self._prepare(snapshotter, record.snapshot_key, place[0], image, matcher)
            undo.push_async_callback(_quietly, lambda: snapshotter.remove(record.snapshot_key))
            if place not in self._users:
                made = await self._settle_user(made, place, shown)
            undo.pop_all()
        return made

    async def _prepare(
        self,
        snapshotter: snapshots_proxy.SnapshotsProxy,
        key: str,
        chain: str,
        image: names.Image,
        matcher: platforms.Matcher,
    ) -> Sequence[mounts.Mount]:
        try:
            return await snapshotter.prepare(key, chain)
        except errors.NotFound:  # fetched, but not unpacked for this snapshotter
            await self._images().unpack_for(image, matcher, snapshotter.name)
            return await snapshotter.prepare(key, chain)

    async def _settle_user(
        self, record: records.Container, place: tuple[str, str], shown: Sequence[mounts.Mount]
    ) -> records.Container:
        """Who the image's files say that the user is; images never change, so the answer is kept."""
        from boxship.client import rootfs
        from boxship.core import specs

        user = await self._session.call(rootfs.resolve_user, place[1], shown)
        if len(self._users) >= _REMEMBERED:
            self._users.clear()
        self._users[place] = user
        spec = specs.from_bytes(record.spec)
        specs.set_user(spec["process"], user)
        changed = records.Container(id=record.id, runtime=record.runtime, spec=specs.to_bytes(spec))
        return await self._store.update(changed, ["spec"])


async def _quietly(undo: Callable[[], Awaitable[Any]]) -> None:
    """The first failure is the one to tell."""
    with contextlib.suppress(errors.Error):
        await undo()
