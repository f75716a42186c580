"""A registry, as core.registries knows it: names to descriptors, descriptors to bytes, and back.

    remote = registry.Registry(hosts.Hosts(), credentials.DockerConfig("/root/.docker/config.json"))
    name, descriptor = remote.resolve("docker.io/library/alpine:latest")
    with remote.fetch(name, descriptor) as chunks:
        for chunk in chunks: ...

Mirrors are asked in their order and the registry itself last. What comes is no longer than its descriptor says;
that it is the right content is checked by who stores it. One Registry may be shared by threads and is closed at the
end of its use. (OCI distribution-spec v1.1.)
"""

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, Self, runtime_checkable

from boxship.core import content, registries
from boxship.remotes import credentials, downloads, hosts, proxies, replies, transport, uploads
from boxship.terms import digests, errors, labels, oci, references

_ACCEPT = f"{oci.MANIFEST}, {oci.INDEX}, {oci.DOCKER_MANIFEST}, {oci.DOCKER_LIST}, */*;q=0.5"
_MOST_SOURCES = 5


class Registry:
    """All registries there are, seen through one set of hosts and accounts.

    Args:
        where: which servers answer for a name.
        source: accounts.
        ways: the proxies.
        pause: how to wait between attempts, in seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        where: hosts.Hosts | None = None,
        source: credentials.Source | None = None,
        ways: proxies.Proxies = proxies.NONE,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosts = where or hosts.Hosts()
        self._transport = transport.Transport(source or credentials.Anonymous(), ways, pause=pause, clock=clock)
        self._schemes: dict[str, hosts.Endpoint] = {}
        self._distrusted: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # Resolving

    def resolve(self, reference: str) -> tuple[str, oci.Descriptor]:
        """What a name points at now.

        Raises:
            InvalidArgument: the name has neither tag nor digest, or the answer is no image.
            NotFound, PermissionDenied, Unauthenticated, Unavailable: as the last server said.
            FailedPrecondition: the server answers a digest with something else.
        """
        parsed = parse(reference)
        failure: errors.Error | None = None
        for endpoint, patient in self._endpoints(parsed, hosts.PULL if parsed.digest else hosts.RESOLVE):
            try:
                return str(parsed), self._resolve(endpoint, parsed, patient=patient)
            except errors.Error as exc:
                failure = _worse(failure, exc)
        raise failure or _nobody(parsed, hosts.RESOLVE)

    def _resolve(self, endpoint: hosts.Endpoint, parsed: references.Reference, *, patient: bool) -> oci.Descriptor:
        request = replies.request(
            endpoint, parsed, f"manifests/{parsed.target}", method="HEAD", headers={"Accept": _ACCEPT}, patient=patient
        )
        with self._transport.send(endpoint, request) as response:
            if response.status == 200:
                found = replies.descriptor(response, parsed)
                if found is not None:
                    return found
            elif response.status not in {401, 403, 405}:
                # A HEAD has no body, so for these the reason is asked for by GET.
                replies.check(response, endpoint, str(parsed))
        return self._resolve_by_get(endpoint, parsed, patient=patient)

    def _resolve_by_get(
        self, endpoint: hosts.Endpoint, parsed: references.Reference, *, patient: bool
    ) -> oci.Descriptor:
        request = replies.request(
            endpoint, parsed, f"manifests/{parsed.target}", headers={"Accept": _ACCEPT}, patient=patient
        )
        with self._transport.send(endpoint, request) as response:
            replies.check(response, endpoint, str(parsed))
            data = response.read(oci.MANIFEST_LIMIT)
            told = response.headers.get("Content-Type", "")
        return replies.describe(data, told, parsed)

    # Fetching

    def fetch(
        self, reference: str, descriptor: oci.Descriptor, offset: int = 0, length: int | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of a blob or manifest from `offset` on, up to the end or `length` of them, as they come.

        A connection that breaks is taken up where it broke. Errors are raised by the iterator. A mirror that delivers
        other content under the digest is told at the end (Unavailable) and not asked for it again: throw away what
        came, and fetch once more.

        Raises:
            NotFound, PermissionDenied, Unauthenticated, Unavailable: as the last server said.
            FailedPrecondition: there is more or less than the descriptor says.
        """
        parsed = parse(reference, target=False)
        digests.parse(descriptor.digest)
        end = descriptor.size if length is None else min(offset + length, descriptor.size)
        return contextlib.closing(self._fetch(parsed, descriptor, offset, end))

    def _fetch(
        self, parsed: references.Reference, descriptor: oci.Descriptor, offset: int, end: int
    ) -> Generator[bytes, None, None]:
        if downloads.embedded(descriptor) is not None:
            yield (downloads.embedded(descriptor) or b"")[offset:end]
            return
        if not 0 <= offset < end:
            return
        failure: errors.Error | None = None
        endpoints = self._endpoints(parsed, hosts.PULL)
        for endpoint, patient in endpoints:
            if (endpoint.origin, descriptor.digest) in self._distrusted:
                continue
            download = downloads.Download(self._transport, endpoint, parsed, descriptor, end=end, patient=patient)
            # Only a mirror can be replaced by somebody else, so only its bytes are worth hashing twice.
            verified = len(endpoints) > 1 and offset == 0 and end == descriptor.size
            chunks: Iterator[bytes] = download.chunks(offset, verified=verified)
            try:
                if verified and end <= oci.MANIFEST_LIMIT:
                    chunks = iter([b"".join(chunks)])
                for chunk in chunks:
                    offset += len(chunk)
                    yield chunk
                return
            except errors.DataLoss as exc:
                self._distrusted.add((endpoint.origin, descriptor.digest))
                failure = errors.Unavailable(exc.message)
                if offset:
                    raise failure from exc
            except errors.Error as exc:
                failure = _worse(failure, exc)
        raise failure or _nobody(parsed, hosts.PULL)

    # Pushing

    def push(
        self,
        reference: str,
        descriptor: oci.Descriptor,
        provider: content.Provider,
        mount_from: Sequence[str] = (),
    ) -> bool:
        """Store a blob or manifest; False when it was there.

        A manifest gets the reference's tag, unless the reference has a digest too that is another's: so a whole image
        is pushed with one reference `host/name:tag@digest-of-the-root`, children first.

        `mount_from` names repositories of the same registry that have the blob already; those that the content's
        labels tell of are tried as well.

        Raises:
            NotFound, PermissionDenied, Unauthenticated, Unavailable: as the server said.
            FailedPrecondition: the content that we have is not what the descriptor says.
        """
        parsed = parse(reference, target=False)
        digests.parse(descriptor.digest)
        failure: errors.Error | None = None
        for endpoint, patient in self._endpoints(parsed, hosts.PUSH):
            upload = uploads.Upload(self._transport, endpoint, parsed, descriptor, provider, patient=patient)
            try:
                if descriptor.media_type in oci.MANIFESTS | oci.INDEXES:
                    return upload.put_manifest()
                return upload.put_blob([*mount_from, *_sources(provider, descriptor, parsed.host)])
            except (errors.NotFound, errors.Unavailable) as exc:
                failure = _worse(failure, exc)
        raise failure or _nobody(parsed, hosts.PUSH)

    # Servers

    def _endpoints(self, parsed: references.Reference, capability: str) -> list[tuple[hosts.Endpoint, bool]]:
        """The servers that can do something, and whether they are the last and so worth waiting for."""
        able = [each for each in self._hosts.endpoints(parsed.host) if capability in each.capabilities]
        return [(self._decided(each), each is able[-1]) for each in able]

    def _decided(self, endpoint: hosts.Endpoint) -> hosts.Endpoint:
        """A server on this machine, once it is known whether it speaks TLS."""
        if not endpoint.undecided:
            return endpoint
        known = self._schemes.get(endpoint.address)
        if known is None:
            known = self._schemes[endpoint.address] = replies.probe(self._transport, endpoint)
        return known


def parse(reference: str, *, target: bool = True) -> references.Reference:
    """A reference that registries can be asked about. Raises InvalidArgument."""
    parsed = references.parse(reference)
    if not parsed.repository:
        raise errors.InvalidArgument(f"invalid reference {reference[:200]!r}: it names no repository on {parsed.host}")
    if parsed.digest:
        digests.parse(parsed.digest)
    if target and not parsed.target:
        raise errors.InvalidArgument(f"invalid reference {reference[:200]!r}: object required: add :TAG or @DIGEST")
    return parsed


@runtime_checkable
class _Informed(Protocol):
    """A provider that knows labels too."""

    def info(self, digest: str) -> content.Info: ...


def _sources(provider: content.Provider, descriptor: oci.Descriptor, host: str) -> list[str]:
    """The repositories on a host from which our content came, as its labels say."""
    if not isinstance(provider, _Informed):
        return []
    try:
        told = provider.info(descriptor.digest).labels.get(f"{labels.DISTRIBUTION_SOURCE}{host}", "")
    except errors.NotFound:
        return []
    return [each for each in told.split(",") if each][:_MOST_SOURCES]


def _worse(before: errors.Error | None, now: errors.Error) -> errors.Error:
    """Which failure to tell when several servers failed: that a mirror lacks something says less than all else."""
    return (
        before
        if before is not None and isinstance(now, errors.NotFound) and not isinstance(before, errors.NotFound)
        else now
    )


def _nobody(parsed: references.Reference, capability: str) -> errors.Error:
    return errors.FailedPrecondition(f"{parsed}: no server for {parsed.host} may {capability}; see its hosts.toml")


_: type[registries.Registry] = Registry
