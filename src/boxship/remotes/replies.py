"""What is asked of registries and what their answers mean: paths, scopes, statuses, descriptors in headers."""

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping

from boxship.remotes import hosts, responses, transport
from boxship.terms import digests, documents, errors, oci, references

_KNOWN = oci.MANIFESTS | oci.INDEXES
_OLD = frozenset({oci.DOCKER_SCHEMA1, oci.DOCKER_SCHEMA1_SIGNED})
_MOST_ERRORS = 5


def request(
    endpoint: hosts.Endpoint,
    parsed: references.Reference,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    push: bool = False,
    patient: bool = True,
    body: transport.Body | None = None,
    length: int = 0,
) -> transport.Request:
    """A request below the repository, with the scope that it needs."""
    pairs = dict(query or {})
    if endpoint.namespace:
        pairs["ns"] = endpoint.namespace
    url = f"{endpoint.prefix}/{urllib.parse.quote(parsed.repository)}/{urllib.parse.quote(path, safe='/:')}"
    if pairs:
        url += "?" + urllib.parse.urlencode(pairs, safe="/:")
    return transport.Request(
        method=method,
        url=url,
        headers=headers or {},
        scopes=(scope(parsed.repository, push=push),),
        body=body,
        length=length,
        patient=patient,
    )


def scope(repository: str, *, push: bool = False) -> str:
    return f"repository:{repository}:pull,push" if push else f"repository:{repository}:pull"


def probe(sender: transport.Transport, endpoint: hosts.Endpoint) -> hosts.Endpoint:
    """Find out whether a server on this machine speaks TLS. A plain request to a TLS server gets a 400 or no HTTP."""
    plain = dataclasses.replace(endpoint, scheme="http", undecided=False)
    ping = transport.Request(method="GET", url=f"{endpoint.prefix}/", patient=False)
    try:
        with sender.open(plain, ping) as response:
            if response.status != 400:
                return plain
            failure: errors.Unavailable | None = None
    except errors.Unavailable as exc:
        failure = exc
    over_tls = dataclasses.replace(plain, scheme="https")
    try:
        with sender.open(over_tls, ping):
            return over_tls
    except errors.Unavailable as exc:
        if "certificate" in exc.message:
            raise
        if failure is not None:
            raise failure from None
        return plain


def check(response: responses.Response, endpoint: hosts.Endpoint, what: str) -> None:
    """Raise what a status that is no success means, with the registry's own words.

    Raises:
        NotFound: 404. PermissionDenied: 403. Unauthenticated: 401. ResourceExhausted: 429.
        Unavailable: the server's failures. InvalidArgument: what it calls our mistake.
    """
    status = response.status
    if 200 <= status < 300:
        return
    where = f"{what}: registry {endpoint.address}"
    said = _said(response)
    account = f"log in with `docker login {endpoint.account}`"
    match status:
        case 404:
            raise errors.NotFound(f"{where} does not have it (404{said}); check the name and the tag")
        case 401:
            raise errors.Unauthenticated(f"{where} wants to know who asks (401{said}): {account}, or check the name")
        case 403:
            raise errors.PermissionDenied(f"{where} refuses (403{said}): the account may not do this, or {account}")
        case 429:
            raise errors.ResourceExhausted(
                f"{where} has had too many requests (429{said}); {account}, or try again later"
            )
        case _ if status >= 500 or status in transport.PASSING:
            raise errors.Unavailable(f"{where} fails ({status}{said}); try again later")
        case _:
            raise errors.InvalidArgument(f"{where} does not accept the request ({status}{said})")


def _said(response: responses.Response) -> str:
    """The messages in an error's body (distribution-spec, "Error Codes"), as harmless text."""
    try:
        fields = documents.mapping(documents.load(response.read(responses.ERROR_LIMIT)), "")
    except errors.Error:
        return ""
    found = fields.get("errors")
    if not isinstance(found, list):
        return ""
    texts = []
    for each in found[:_MOST_ERRORS]:
        if isinstance(each, dict):
            code, message = each.get("code"), each.get("message")
            texts += [text for text in (message or code,) if isinstance(text, str) and text]
    joined = ", ".join(texts)[:300]
    return ": " + "".join(letter if letter.isprintable() else "?" for letter in joined) if joined else ""


def descriptor(response: responses.Response, parsed: references.Reference) -> oci.Descriptor | None:
    """The descriptor in the headers of a HEAD; None when they do not say enough."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    length = response.headers.get("Content-Length", "")
    if media_type in _OLD:
        raise errors.NotImplemented(
            f"{parsed}: Docker schema 1 is not supported; push the image again with a newer tool"
        )
    if media_type not in _KNOWN or not re.fullmatch(r"[0-9]{1,18}", length, re.ASCII):
        return None
    try:
        digest = digests.parse(response.headers.get("Docker-Content-Digest", "") or parsed.digest)
    except errors.InvalidArgument:
        return None
    if parsed.digest and digest != parsed.digest:
        raise errors.FailedPrecondition(f"{parsed}: the registry answers with {digest} instead")
    size = int(length)
    if size > oci.MANIFEST_LIMIT:
        raise errors.ResourceExhausted(
            f"{parsed}: a manifest of {size} bytes is more than the {oci.MANIFEST_LIMIT} accepted"
        )
    return oci.Descriptor(media_type=media_type, digest=digest, size=size)


def describe(data: bytes, told: str, parsed: references.Reference) -> oci.Descriptor:
    """The descriptor of a manifest that was read whole.

    Raises:
        InvalidArgument: it is no image.
        FailedPrecondition: it is not what the digest names.
    """
    algorithm = digests.algorithm(parsed.digest) if parsed.digest else digests.CANONICAL
    digest = digests.of(data, algorithm)
    if parsed.digest and digest != parsed.digest:
        raise errors.FailedPrecondition(f"{parsed}: the registry answers with {digest} instead")
    told = told.partition(";")[0].strip()
    media_type = oci.parse(data, told if told in _KNOWN | _OLD else "", where=str(parsed)).media_type
    return oci.Descriptor(media_type=media_type, digest=digest, size=len(data))
