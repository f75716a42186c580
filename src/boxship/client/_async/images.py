"""Images by the names that people give them."""

from collections.abc import Sequence
from typing import BinaryIO

from boxship.core import images
from boxship.plugins.transfer import progress as transfer
from boxship.terms import oci, platforms

Platform = str | platforms.Platform | None


class AsyncImages:
    """References are completed as Docker does (`alpine`), but a name that exists exactly is taken first."""

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
            platform: such as "linux/arm64"; this machine's without it.
            all_platforms: fetch everything; only `platform` is unpacked.
            progress: called with each change; one call at a time, and it must not wait.
            plain_http: no TLS; not needed for a registry on this machine.
            insecure: believe any certificate.
            username, password: instead of what ~/.docker/config.json says.
            hosts_dir: folder with hosts.toml files instead of the usual ones.

        Raises:
            InvalidArgument: the reference breaks the grammar.
            NotFound, PermissionDenied, Unauthenticated, Unavailable: as the registry said.
        """
        raise NotImplementedError

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

        With a platform only that part of it. Raises NotFound, and what the registry says.
        """
        raise NotImplementedError

    async def get(self, name: str) -> images.Image:
        """Raises NotFound."""
        raise NotImplementedError

    async def list(self, filters: Sequence[str] = ()) -> Sequence[images.Image]: ...

    async def tag(self, source: str, target: str, *, force: bool = True) -> images.Image:
        """Give an image another name. Raises NotFound; AlreadyExists unless `force` moves the name."""
        raise NotImplementedError

    async def remove(self, name: str, *, sync: bool = False) -> images.Image:
        """Forget a name and return what it was; `sync` waits until what nobody needs any more is gone. Raises NotFound."""
        raise NotImplementedError

    async def load(
        self,
        file: BinaryIO,
        *,
        base_name: str = "",
        platform: Platform = None,
        all_platforms: bool = True,
        unpack: bool = True,
        snapshotter: str = "",
    ) -> list[images.Image]:
        """Read the images of an OCI or Docker archive.

        `base_name` names those of which the archive knows a tag only; an image without any name gets
        `import@DIGEST`.
        """
        raise NotImplementedError

    async def save(
        self, names: Sequence[str], file: BinaryIO, *, platform: Platform = None, all_platforms: bool = False
    ) -> None:
        """Write images into an archive that `load`, `docker load` and `ctr images import` read."""
        raise NotImplementedError

    async def unpack(self, name: str, *, platform: Platform = None, snapshotter: str = "") -> str:
        """Make the image's file system ready; returns its chain id, which is the parent for snapshots."""
        raise NotImplementedError

    async def manifest(self, name: str, platform: Platform = None) -> oci.Manifest:
        """Raises NotFound for the name or the platform."""
        raise NotImplementedError

    async def config(self, name: str, platform: Platform = None) -> oci.ImageConfig:
        """How the image wants to be run. Raises NotFound."""
        raise NotImplementedError

    async def size(self, name: str) -> int:
        """Bytes of all blobs of the image that are here, as fetched."""
        raise NotImplementedError

    async def platforms(self, name: str) -> list[platforms.Platform]:
        """The platforms for which the image is wholly here."""
        raise NotImplementedError
