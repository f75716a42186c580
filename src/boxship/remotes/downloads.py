"""One blob or manifest from one server, taken up again where a connection broke (RFC 9110, 14: Range)."""

import re
from collections.abc import Iterator

from boxship.remotes import hosts, replies, responses, transport
from boxship.terms import digests, errors, oci, references

_WORTH_A_NEW_START = 1024 * 1024
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII)


def embedded(descriptor: oci.Descriptor) -> bytes | None:
    """The content that the descriptor itself carries, when it is right."""
    data = descriptor.data
    if data is None or len(data) != descriptor.size:
        return None
    return data if digests.of(data, digests.algorithm(descriptor.digest)) == descriptor.digest else None


class Download:
    """Bytes up to `end` of what the descriptor names.

    Attributes:
        patient: wait for failures that pass; not when another server can be asked.
    """

    def __init__(
        self,
        sender: transport.Transport,
        endpoint: hosts.Endpoint,
        parsed: references.Reference,
        descriptor: oci.Descriptor,
        *,
        end: int,
        patient: bool,
    ) -> None:
        self._sender = sender
        self._endpoint = endpoint
        self._parsed = parsed
        self._descriptor = descriptor
        self._end = end
        self._patient = patient
        self._answered = False

    def chunks(self, offset: int, *, verified: bool) -> Iterator[bytes]:
        """The bytes from `offset` on. Failures count anew after each mebibyte gained.

        `verified` compares the digest at the end; this needs the whole.

        Raises:
            DataLoss: the digest is another. The other errors are those of Registry.fetch.
        """
        digest = digests.hasher(digests.algorithm(self._descriptor.digest)) if verified else None
        failures, reached = 0, offset
        while offset < self._end:
            try:
                for chunk in self._once(offset):
                    offset += len(chunk)
                    if digest is not None:
                        digest.update(chunk)
                    yield chunk
            except errors.Unavailable:
                failures = 1 if offset - reached >= _WORTH_A_NEW_START else failures + 1
                gained, reached = offset > reached, offset
                # Who has not answered at all was asked often enough by the transport.
                if failures >= transport.MOST_ATTEMPTS or not (gained or self._patient) or not self._answered:
                    raise
                self._sender.rest(failures)
        if digest is not None and digest.hexdigest() != digests.encoded(self._descriptor.digest):
            raise errors.DataLoss(f"{self._what()}: {self._endpoint.address} delivers other content under this digest")

    def _what(self) -> str:
        return f"{self._parsed.name}@{self._descriptor.digest}"

    def _once(self, offset: int) -> Iterator[bytes]:
        with self._open(offset) as response:
            skip = self._check(response, offset)
            for received in response.stream():
                chunk = received
                if skip:
                    chunk, skip = chunk[skip:], max(0, skip - len(chunk))
                if len(chunk) > self._end - offset:
                    if self._end == self._descriptor.size:
                        raise errors.FailedPrecondition(f"{self._what()}: has more than its {self._end} bytes")
                    chunk = chunk[: self._end - offset]
                offset += len(chunk)
                if chunk:
                    yield chunk
                if offset >= self._end:
                    break
            else:
                self._short(response, offset)
            if self._end == self._descriptor.size:
                self._finish(response)

    def _finish(self, response: responses.Response) -> None:
        """The last byte is here; one more would be one too many."""
        for more in response.stream():
            if more:
                raise errors.FailedPrecondition(f"{self._what()}: has more than its {self._end} bytes")

    def _short(self, response: responses.Response, offset: int) -> None:
        """The server says that this is all. A length that it announced was kept, so asking again is of no use."""
        cause = f"{self._what()}: ends after {offset} of {self._end} bytes"
        if response.headers.get("Content-Length") or response.headers.get("Transfer-Encoding"):
            raise errors.FailedPrecondition(f"{cause} at registry {self._endpoint.address}; the image there is damaged")
        raise errors.Unavailable(cause)

    def _open(self, offset: int) -> responses.Response:
        is_manifest = self._descriptor.media_type in oci.MANIFESTS | oci.INDEXES
        kind = "manifests" if is_manifest else "blobs"
        headers = {"Accept": f"{self._descriptor.media_type}, */*;q=0.1"}
        if offset or self._end < self._descriptor.size:
            headers["Range"] = f"bytes={offset}-{self._end - 1 if self._end < self._descriptor.size else ''}"
        asked = replies.request(
            self._endpoint, self._parsed, f"{kind}/{self._descriptor.digest}", headers=headers, patient=self._patient
        )
        response = self._sender.send(self._endpoint, asked)
        if response.status not in {200, 206}:
            with response:
                replies.check(response, self._endpoint, self._what())
                raise errors.Unavailable(f"{self._what()}: registry {self._endpoint.address} answers {response.status}")
        self._answered = True
        return response

    def _check(self, response: responses.Response, offset: int) -> int:
        """How many bytes of the answer come before the ones that are wanted: a server need not know ranges."""
        if response.status == 200:
            return offset
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != offset or found[3] not in {"*", str(self._descriptor.size)}:
            raise errors.FailedPrecondition(
                f"{self._what()}: registry {self._endpoint.address} answers with another range than bytes {offset}-"
            )
        return 0
