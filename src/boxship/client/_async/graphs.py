"""Reading the documents below an image."""

from boxship.core import content, graphs
from boxship.proxies._async import content as content_proxy
from boxship.terms import errors, oci, platforms


async def manifest(
    store: content_proxy.ContentProxy, target: oci.Descriptor, matcher: platforms.Matcher, name: str
) -> tuple[oci.Descriptor, oci.Manifest]:
    """Go down to the manifest for the best platform. Raises NotFound, InvalidArgument."""
    for _ in range(graphs.DEEPEST):
        data = await read(store, target)
        document = oci.parse(data, target.media_type, where=f"manifest {target.digest}")
        if isinstance(document, oci.Manifest):
            return target, document
        target = graphs.choose(document, matcher, name)
    raise errors.InvalidArgument(f"image {name}: more than {graphs.DEEPEST} indexes within each other")


async def config(store: content_proxy.ContentProxy, found: oci.Manifest) -> oci.ImageConfig:
    """The configuration that a manifest points at. Raises NotFound, InvalidArgument."""
    return oci.parse_config(await read(store, found.config), where=f"image config {found.config.digest}")


async def read(store: content_proxy.ContentProxy, descriptor: oci.Descriptor) -> bytes:
    """A whole document. Raises NotFound; ResourceExhausted when it is too long for one."""
    async with await store.reader(descriptor) as reader:
        if reader.size > oci.MANIFEST_LIMIT:
            raise errors.ResourceExhausted(
                f"blob {descriptor.digest} has {reader.size} bytes, more than the {oci.MANIFEST_LIMIT} allowed"
            )
        parts: list[bytes] = []
        offset = 0
        while offset < reader.size and (data := await reader.read_at(offset, content.CHUNK)):
            parts.append(data)
            offset += len(data)
        return b"".join(parts)
