"""Images by the names that people give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from boxship.client import async_sessions, wishes
from boxship.client._async import facts, graphs
from boxship.core import images
from boxship.proxies._async import content as content_proxy
from boxship.proxies._async import images as images_proxy
from boxship.terms import errors, oci, platforms, references
from boxship.terms.platforms import Matcher  # by name: a method here is called `platforms`

if TYPE_CHECKING:
    from boxship.plugins.transfer import progress as transfer

Platforms = Sequence[platforms.Platform]
Platform = str | platforms.Platform | None
_REMEMBERED = 64
_DIGITS = re.compile(r"[0-9a-f]{12,64}", re.ASCII)


class AsyncImages:
    """References are completed as Docker does (`alpine`), but a name that exists exactly is taken first."""

    def __init__(self, session: async_sessions.AsyncSession, known: facts.AsyncFacts) -> None:
        self._session = session
        self._facts = known
        self._names = images_proxy.ImagesProxy(session.caller)
        self._content = content_proxy.ContentProxy(session.caller)
        self._configs: dict[tuple[str, Matcher], oci.ImageConfig] = {}

    async def pull(
        self,
        reference: str,
        *,
        platform: Platform = None,
        all_platforms: bool = False,
        unpack: bool = True,
        snapshotter: str = "",
        progress: transfer.Report | None = None,
        plain_http: bool = False,
        insecure: bool = False,
        username: str = "",
        password: str = "",
        hosts_dir: str = "",
    ) -> images.Image:
        """Fetch an image from its registry, and unpack it for the platform.

        What a pull that failed has fetched is kept for a day, and the next one goes on from there.

        Args:
            reference: such as `alpine` or `registry.example/a/b:1.0`.
            platform: such as "linux/arm64"; this machine's without it.
            all_platforms: fetch everything; only `platform` is unpacked.
            unpack: make its file system ready as well.
            snapshotter: where to unpack; the daemon's default one without it.
            progress: called with each change; one call at a time, and it must not wait.
            plain_http: no TLS; not needed for a registry on this machine.
            insecure: believe any certificate.
            username: with `password`, instead of what ~/.docker/config.json says.
            password: see `username`.
            hosts_dir: folder with hosts.toml files instead of the usual ones.

        Raises:
            InvalidArgument: the reference breaks the grammar.
            NotFound, PermissionDenied, Unauthenticated, Unavailable: as the registry said.
        """
        from boxship.client import registries, transfers

        wanted = wishes.matcher(platform)
        access = registries.Access(
            plain_http=plain_http, insecure=insecure, username=username, password=password, hosts_dir=hosts_dir
        )
        place = await self._snapshotter(snapshotter) if unpack else ""
        image = await self._session.work(
            progress,
            lambda caller, report: transfers.pull(
                caller,
                reference,
                access,
                matcher=platforms.EVERYTHING if all_platforms else wanted,
                wanted=wanted,
                snapshotter=place,
                report=report,
            ),
        )
        if platform is not None and not all_platforms:
            await self.config_of(image, wanted)  # an image for one platform only is fetched whatever it is for
        return image

    async def push(
        self,
        reference: str,
        local: str = "",
        *,
        platform: Platform = None,
        progress: transfer.Report | None = None,
        plain_http: bool = False,
        insecure: bool = False,
        username: str = "",
        password: str = "",
        hosts_dir: str = "",
    ) -> images.Image:
        """Store the image `local` (by default that of the same name) in a registry under `reference`.

        With a platform only that part of it: of an index the manifest. Raises NotFound, and what the registry says.
        """
        from boxship.client import registries, transfers

        image = await self.get(local or reference)
        target = image.target if platform is None else await self._part(image, wishes.matcher(platform))
        access = registries.Access(
            plain_http=plain_http, insecure=insecure, username=username, password=password, hosts_dir=hosts_dir
        )
        await self._session.work(
            progress,
            lambda caller, report: transfers.push(caller, reference, target, access, report=report),
        )
        return image

    async def get(self, name: str) -> images.Image:
        """By its name, whole or as people say it, or by its digest or 12 digits of it, as `images` shows them.

        Raises NotFound; InvalidArgument for digits that several images begin with.
        """
        try:
            return await self._names.get(name)
        except errors.NotFound:
            full = _completed(name)
            if full == name:
                raise
        try:
            return await self._names.get(full)
        except errors.NotFound:
            if found := await self._by_digest(name):
                return found
            raise errors.NotFound(f"image {name!r} (as {full})") from None

    async def _by_digest(self, text: str) -> images.Image | None:
        digits = text.removeprefix("sha256:")
        if not _DIGITS.fullmatch(digits):
            return None
        found = await self._names.list([f'target.digest~="^sha256:{digits}"'])
        if len({each.target.digest for each in found}) > 1:
            raise errors.InvalidArgument(f"image {text!r}: {len(found)} images begin so; write more of the digest")
        return found[0] if found else None

    async def list(self, filters: Sequence[str] = ()) -> Sequence[images.Image]:
        """Images that match any of the filters, in order of names."""
        return await self._names.list(filters)

    async def tag(self, source: str, target: str, *, force: bool = True) -> images.Image:
        """Give an image another name. Raises NotFound; AlreadyExists unless `force` moves the name."""
        found = await self.get(source)
        image = images.Image(name=str(references.normalize(target)), target=found.target, labels=found.labels)
        try:
            return await self._names.create(image)
        except errors.AlreadyExists:
            if not force:
                raise
            return await self._names.update(image, ["target", "labels"])

    async def remove(self, name: str, *, sync: bool = False) -> images.Image:
        """Forget a name and return what it was; `sync` waits until what nobody needs any more is gone. Raises NotFound."""
        image = await self.get(name)
        await self._names.delete(image.name, synchronous=sync)
        return image

    async def load(
        self,
        file: BinaryIO,
        *,
        base_name: str = "",
        platform: Platform = None,
        all_platforms: bool = True,
        unpack: bool = True,
        snapshotter: str = "",
        progress: transfer.Report | None = None,
    ) -> Sequence[images.Image]:
        """Read the images of an OCI or Docker archive.

        `base_name` names those of which the archive knows a tag only; an image without any name gets
        `import@DIGEST`.
        """
        from boxship.client import transfers

        wanted = wishes.matcher(platform)
        place = await self._snapshotter(snapshotter) if unpack else ""
        return await self._session.work(
            progress,
            lambda caller, report: transfers.load(
                caller,
                file,
                base_name=base_name,
                matcher=platforms.EVERYTHING if all_platforms else wanted,
                wanted=wanted,
                snapshotter=place,
                report=report,
            ),
        )

    async def save(
        self, names: Sequence[str], file: BinaryIO, *, platform: Platform = None, all_platforms: bool = False
    ) -> None:
        """Write images into an archive that `load`, `docker load` and `ctr images import` read."""
        from boxship.client import transfers

        found = [await self.get(name) for name in names]
        matcher = platforms.EVERYTHING if all_platforms else wishes.matcher(platform)
        for image in found if platform is not None and not all_platforms else ():
            await self.config_of(image, matcher)
        await self._session.work(None, lambda caller, _: transfers.save(caller, found, file, matcher=matcher))

    async def unpack(self, name: str, *, platform: Platform = None, snapshotter: str = "") -> str:
        """Make the image's file system ready; returns its chain id, which is the parent for snapshots."""
        image = await self.get(name)
        return await self.unpack_for(image, wishes.matcher(platform), await self._snapshotter(snapshotter))

    async def unpack_for(self, image: images.Image, matcher: Matcher, snapshotter: str) -> str:
        """The same for an image at hand."""
        from boxship.client import transfers

        return await self._session.work(
            None, lambda caller, _: transfers.unpack_image(caller, image, wanted=matcher, snapshotter=snapshotter)
        )

    async def manifest(self, name: str, platform: Platform = None) -> oci.Manifest:
        """Raises NotFound for the name or the platform."""
        image = await self.get(name)
        _, found = await graphs.manifest(self._content, image.target, wishes.matcher(platform), image.name)
        return found

    async def config(self, name: str, platform: Platform = None) -> oci.ImageConfig:
        """How the image wants to be run. Raises NotFound."""
        return await self.config_of(await self.get(name), wishes.matcher(platform))

    async def config_of(self, image: images.Image, matcher: Matcher) -> oci.ImageConfig:
        """The same for an image at hand. Content never changes, so it is read once."""
        key = (image.target.digest, matcher)
        if key not in self._configs:
            _, found = await graphs.manifest(self._content, image.target, matcher, image.name)
            if len(self._configs) >= _REMEMBERED:
                self._configs.clear()
            config = await graphs.config(self._content, found)
            if config.platform.architecture and not matcher.matches(config.platform):
                raise errors.NotFound(f"image {image.name} is for {config.platform}; one for {matcher.wanted[0]}")
            self._configs[key] = config
        return self._configs[key]

    async def size(self, name: str) -> int:
        """Bytes of all blobs of the image that are here, as fetched."""
        from boxship.client import transfers

        image = await self.get(name)
        return await self._session.work(None, lambda caller, _: transfers.size(caller, image.target))

    async def platforms(self, name: str) -> Platforms:
        """The platforms for which the image is wholly here."""
        from boxship.client import transfers

        image = await self.get(name)
        return await self._session.work(None, lambda caller, _: transfers.complete(caller, image.target))

    async def _snapshotter(self, name: str) -> str:
        return await self._facts.snapshotter(self._session.caller.namespace, name)

    async def _part(self, image: images.Image, matcher: Matcher) -> oci.Descriptor:
        descriptor, _ = await graphs.manifest(self._content, image.target, matcher, image.name)
        return descriptor


def _completed(name: str) -> str:
    """The whole name that a person means; the name itself when it is none."""
    try:
        return str(references.normalize(name))
    except errors.InvalidArgument:
        return name
