"""One blob or manifest to one server (distribution-spec, "Push")."""

import urllib.parse
from collections.abc import Iterator, Sequence

from boxship.core import content
from boxship.remotes import hosts, replies, responses, transport, urls
from boxship.terms import digests, errors, oci, references

_PIECE = 1024 * 1024


class Upload:
    """Puts what a descriptor names, taking it from a provider."""

    def __init__(
        self,
        sender: transport.Transport,
        endpoint: hosts.Endpoint,
        parsed: references.Reference,
        descriptor: oci.Descriptor,
        provider: content.Provider,
        *,
        patient: bool,
    ) -> None:
        self._sender = sender
        self._endpoint = endpoint
        self._parsed = parsed
        self._descriptor = descriptor
        self._provider = provider
        self._patient = patient

    # Manifests

    def put_manifest(self) -> bool:
        """Store a manifest under its tag or digest; False when it is there under that name."""
        digest, tag = self._descriptor.digest, self._parsed.tag
        name = tag if tag and self._parsed.digest in {"", digest} else digest
        if self._has(f"manifests/{name}"):
            return False
        data = content.read_blob(self._provider, self._descriptor, oci.MANIFEST_LIMIT)
        if digests.of(data, digests.algorithm(digest)) != digest:
            raise errors.FailedPrecondition(f"{self._parsed.name}@{digest}: our own copy is damaged; pull it again")
        with self._send(
            "PUT",
            f"manifests/{name}",
            headers={"Content-Type": self._descriptor.media_type},
            body=lambda: [data],
            length=len(data),
            patient=self._patient,
        ) as response:
            replies.check(response, self._endpoint, f"push of {self._parsed.name} {name}")
            stored = response.headers.get("Docker-Content-Digest")
        if stored and stored != digest:
            raise errors.FailedPrecondition(f"{self._parsed.name}@{digest}: the registry stored {stored[:100]} instead")
        return True

    def _has(self, path: str) -> bool:
        headers = {"Accept": f"{self._descriptor.media_type}, */*"}
        with self._send("HEAD", path, headers=headers, patient=self._patient) as response:
            if response.status == 200:
                # Only a manifest's name can mean something else than its digest.
                told = response.headers.get("Docker-Content-Digest", "")
                return path.endswith(self._descriptor.digest) or told == self._descriptor.digest
            if response.status != 404:
                replies.check(response, self._endpoint, f"push to {self._parsed.name}/{path}")
            return False

    # Blobs

    def put_blob(self, mount_from: Sequence[str]) -> bool:
        """Store a blob; False when it is there, or another repository's could be mounted."""
        if self._has(f"blobs/{self._descriptor.digest}"):
            return False
        failure: errors.Error | None = None
        for attempt in range(transport.MOST_ATTEMPTS):
            location = self._begin(mount_from if attempt == 0 else ())
            if location is None:
                return False
            try:
                self._put(location)
            except (errors.Unavailable, errors.NotFound) as exc:
                failure = exc  # a session is lost with its connection; begin another
                if not self._patient:
                    break
            else:
                return True
        raise failure or errors.Unavailable(f"push of {self._descriptor.digest}")

    def _begin(self, mount_from: Sequence[str]) -> str | None:
        """The URL of an upload session; None when the blob was mounted instead."""
        location: str | None = None
        for source in mount_from:
            if source == self._parsed.repository:
                continue
            try:
                with self._ask_mount(source) as response:
                    if response.status == 201:
                        return None
                    if response.status == 202:
                        location = self._location(response)
            except (errors.Unauthenticated, errors.PermissionDenied):
                continue  # nobody lets us read there; it was only to save work
        if location is not None:
            return location
        with self._send("POST", "blobs/uploads/", patient=self._patient) as response:
            replies.check(response, self._endpoint, f"push of {self._parsed.name}@{self._descriptor.digest}")
            return self._location(response)

    def _ask_mount(self, source: str) -> responses.Response:
        query = {"mount": self._descriptor.digest, "from": source}
        asked = self._request("POST", "blobs/uploads/", query=query, patient=self._patient)
        scopes = (*asked.scopes, replies.scope(source))
        return self._sender.send(self._endpoint, transport.with_scopes(asked, scopes))

    def _location(self, response: responses.Response) -> str:
        """Where to put the blob. It may be on another host, which gets no credentials (see transport)."""
        location = response.headers.get("Location", "")
        if not location:
            raise errors.Unavailable(f"{self._parsed.name}: registry {self._endpoint.address} begins an upload nowhere")
        url = urls.joined(response.url, location)
        urls.check_target(url, response.url, what="upload")
        return url

    def _put(self, location: str) -> None:
        parts = urllib.parse.urlsplit(location)
        digest = urllib.parse.urlencode({"digest": self._descriptor.digest}, safe=":")
        url = urllib.parse.urlunsplit(parts._replace(query=f"{parts.query}&{digest}" if parts.query else digest))
        asked = transport.Request(
            method="PUT",
            url=url,
            headers={"Content-Type": "application/octet-stream"},
            scopes=(replies.scope(self._parsed.repository, push=True),),
            body=self._pieces,
            length=self._descriptor.size,
            patient=False,
        )
        with self._sender.send(self._endpoint, asked) as response:
            if response.status == 416:
                raise errors.Unavailable(f"push of {self._parsed.name}: the upload session is not at its beginning")
            replies.check(response, self._endpoint, f"push of {self._parsed.name}@{self._descriptor.digest}")

    def _pieces(self) -> Iterator[bytes]:
        with self._provider.reader(self._descriptor) as reader:
            if reader.size != self._descriptor.size:
                raise errors.FailedPrecondition(
                    f"{self._parsed.name}@{self._descriptor.digest}: our own copy has {reader.size} bytes, "
                    f"not {self._descriptor.size}"
                )
            offset = 0
            while offset < reader.size and (piece := reader.read_at(offset, _PIECE)):
                offset += len(piece)
                yield piece

    # Requests

    def _request(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: transport.Body | None = None,
        length: int = 0,
        patient: bool,
    ) -> transport.Request:
        return replies.request(
            self._endpoint,
            self._parsed,
            path,
            method=method,
            headers=headers,
            query=query,
            push=True,
            patient=patient,
            body=body,
            length=length,
        )

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: transport.Body | None = None,
        length: int = 0,
        patient: bool,
    ) -> responses.Response:
        asked = self._request(method, path, headers=headers, body=body, length=length, patient=patient)
        return self._sender.send(self._endpoint, asked)
