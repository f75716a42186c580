"""Below images: blobs, the graph of an image, and file systems made from its layers.

python examples/content.py [IMAGE]
"""

import secrets
import sys

import boxship
from boxship.core import chains
from boxship.terms import oci


def main(client: boxship.Client, image: str) -> None:
    pulled = client.images.pull(image)
    manifest = client.images.manifest(pulled.name)
    for blob in (manifest.config, *manifest.layers):
        print(f"  {blob.digest[:19]}  {blob.size:>9}  {blob.media_type}")

    # A blob of our own. What is written under a lease lives as long as the lease.
    lease = client.leases.create()
    held = client.lease(lease.id)
    with held.content.writer(f"example-{secrets.token_hex(4)}") as writer:
        writer.write(b"some bytes that nobody refers to")
        digest = writer.commit(0, "")
    with client.content.reader(oci.Descriptor(media_type="", digest=digest, size=0)) as reader:
        print("read back:", reader.read_at(0, reader.size))

    # A file system on top of the image's layers; it says how it is mounted.
    snapshotter = held.snapshots()
    top = chains.chain_id(client.images.config(pulled.name).diff_ids)
    key = f"example-{secrets.token_hex(4)}"
    for mount in snapshotter.prepare(key, top):
        print("mount:", mount.type, mount.source, *mount.options[:1])
    snapshotter.remove(key)
    client.leases.delete(lease.id, synchronous=True)


if __name__ == "__main__":
    with boxship.connect() as client:
        main(client, sys.argv[1] if len(sys.argv) > 1 else "docker.io/library/busybox:latest")
