"""One HTTP request to a registry, made so that a hostile answer can do little.

Connections are kept and shared by threads. Redirects are followed here, five at most: what belongs to one host
(Authorization, configured headers, client certificates) is not carried to another, TLS is not given up, and nobody
sends us into private networks. Failures that pass are tried again, as long as the server wishes, a minute at most.
No body is read beyond its limit, no body is decompressed, and nothing is read from the environment.
"""

import dataclasses
import random
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import boxship
from boxship.remotes import auth, credentials, hosts
from boxship.terms import errors

if TYPE_CHECKING:
    import ssl

    import urllib3

MOST_REDIRECTS = 5
MOST_ATTEMPTS = 5
ERROR_LIMIT = 64 * 1024
READ_SIZE = 256 * 1024
_STALL = 60.0
_LEAST_PER_STALL = 4096
_LONGEST_PAUSE = 60.0
_MOST_CONNECTIONS = 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 429, 500, 502, 503, 504, 522})
"""Statuses that may be different next time."""

Body = Callable[[], Iterable[bytes]]
"""Opens a request's body anew, since a body may have to be sent again."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of an endpoint.

    Attributes:
        url: absolute, or a path on the endpoint.
        scopes: what a token must allow.
        body: with `length` bytes; None for none.
        patient: failures that pass are waited for; not when somebody else can be asked, or a body would be lost.
    """

    method: str
    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    scopes: tuple[str, ...] = ()
    body: Body | None = dataclasses.field(default=None, repr=False)
    length: int = 0
    patient: bool = True


def with_scopes(request: Request, scopes: tuple[str, ...]) -> Request:
    """The same request with a token that allows something else."""
    return dataclasses.replace(request, scopes=scopes)


class Response:
    """An answer whose body has not been read; a context manager.

    Attributes:
        url: where it came from, after redirects.
    """

    def __init__(self, raw: "urllib3.BaseHTTPResponse", url: str, clock: Callable[[], float]) -> None:
        self._raw = raw
        self._clock = clock
        self.url = url
        self.status: int = raw.status
        self.headers: Mapping[str, str] = raw.headers

    def __repr__(self) -> str:
        return f"Response({self.status}, {redacted(self.url)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def values(self, name: str) -> list[str]:
        """All values of a header that may come several times."""
        return list(self._raw.headers.getlist(name))

    def read(self, limit: int) -> bytes:
        """The whole body. Raises ResourceExhausted when it is longer than `limit`, Unavailable when it breaks off."""
        found = bytearray()
        for piece in self.stream():
            found += piece
            if len(found) > limit:
                self.abandon()
                raise errors.ResourceExhausted(f"{redacted(self.url)}: the answer is longer than {limit} bytes")
        return bytes(found)

    def stream(self) -> Iterator[bytes]:
        """The body as it comes. Raises Unavailable when it breaks off, stands still or drips."""
        import urllib3.exceptions

        since, received = self._clock(), 0
        while True:
            try:
                piece = self._raw.read1(READ_SIZE)
            except (urllib3.exceptions.HTTPError, OSError) as exc:
                self.abandon()
                raise errors.Unavailable(f"{redacted(self.url)}: the answer broke off: {describe(exc)}") from exc
            if not piece:
                if getattr(self._raw, "length_remaining", 0):
                    self.abandon()
                    raise errors.Unavailable(
                        f"{redacted(self.url)}: the answer ended {self._raw.length_remaining} bytes early"
                    )
                return
            received += len(piece)
            yield piece
            now = self._clock()
            if now - since > _STALL:
                if received < _LEAST_PER_STALL:
                    self.abandon()
                    raise errors.Unavailable(f"{redacted(self.url)}: only {received} bytes came in {_STALL:.0f} s")
                since, received = now, 0

    def read_quietly(self) -> None:
        """Take a short body that nobody needs off the connection, so that this can be used again."""
        try:
            self.read(ERROR_LIMIT)
        except (errors.Unavailable, errors.ResourceExhausted):
            return
        self.close()

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if self._raw.closed:
            self._raw.release_conn()
        else:
            self.abandon()

    def abandon(self) -> None:
        self._raw.close()
        self._raw.release_conn()


class Transport:
    """Makes requests; many threads may share one.

    Args:
        source: accounts.
        pause: waits so many seconds; tests hand in something quicker.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        source: credentials.Source,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str, hosts.Tls, float], urllib3.HTTPConnectionPool] = {}
        self._authorizers: dict[str, auth.Authorizer] = {}

    def close(self) -> None:
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def send(self, endpoint: hosts.Endpoint, request: Request) -> Response:
        """The answer, whatever its status, after authentication, redirects and retries.

        Raises:
            Unavailable: no answer came, five times.
            Unauthenticated: the registry wants an account which nobody has.
            PermissionDenied: a redirect or a realm leads where it must not.
        """
        attempt = 1
        while True:
            try:
                response = self._authorized(endpoint, request)
            except errors.Unavailable:
                if attempt >= MOST_ATTEMPTS or not request.patient:
                    raise
                delay = _backoff(attempt)
            else:
                if response.status not in PASSING or attempt >= MOST_ATTEMPTS or not request.patient:
                    return response
                delay = retry_after(response.headers.get("Retry-After"), attempt)
                response.read_quietly()
            attempt += 1
            self._pause(delay)

    def open(self, endpoint: hosts.Endpoint, request: Request) -> Response:
        """One attempt without account, redirects and retries, to learn who is there. Raises Unavailable."""
        return self._once(endpoint, request, urllib.parse.urljoin(endpoint.origin, request.url), None)

    def rest(self, attempt: int) -> None:
        """Wait before the attempt after the `attempt`-th."""
        self._pause(_backoff(attempt))

    def authorizer(self, endpoint: hosts.Endpoint) -> auth.Authorizer:
        with self._lock:
            found = self._authorizers.get(endpoint.origin)
            if found is None:
                found = auth.Authorizer(endpoint, self._source, self._ask_token, clock=self._clock)
                self._authorizers[endpoint.origin] = found
            return found

    def _authorized(self, endpoint: hosts.Endpoint, request: Request) -> Response:
        """Send, and after a 401 once more with what was asked for, and once more with a fresh token."""
        authorizer = self.authorizer(endpoint)
        for attempt in range(3):
            header = authorizer.header(request.scopes)
            response = self._redirected(endpoint, request, header)
            if response.status != 401 or origin(response.url) != origin(endpoint.origin) or attempt == 2:
                return response
            texts = response.values("WWW-Authenticate")
            response.read_quietly()
            authorizer.challenged(texts, header, request.scopes)
        raise AssertionError  # the loop returns

    def _redirected(self, endpoint: hosts.Endpoint, request: Request, authorization: str | None) -> Response:
        url = urllib.parse.urljoin(endpoint.origin, request.url)
        for _ in range(MOST_REDIRECTS + 1):
            response = self._once(endpoint, request, url, authorization)
            location = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or not location:
                return response
            status = response.status
            response.read_quietly()
            if request.body is not None and status not in {307, 308}:
                raise errors.Unavailable(
                    f"{redacted(url)}: answers an upload with redirect {status}, which loses its body"
                )
            target = joined(url, location)
            check_target(target, url, what="redirect")
            url = target
        raise errors.Unavailable(f"{redacted(url)}: more than {MOST_REDIRECTS} redirects")

    def _once(self, endpoint: hosts.Endpoint, request: Request, url: str, authorization: str | None) -> Response:
        headers = {"User-Agent": f"boxship/{boxship.__version__}", "Accept-Encoding": "identity", **request.headers}
        if origin(url) == origin(endpoint.origin):
            for name, values in endpoint.headers.items():
                headers[name] = ", ".join(values)
            if authorization is not None:
                headers["Authorization"] = authorization
        body: Iterable[bytes] | None = None
        if request.body is not None:
            body = request.body()
            headers["Content-Length"] = str(request.length)
        elif request.method in {"POST", "PUT", "PATCH"}:
            headers["Content-Length"] = "0"
        return self._open(endpoint, request.method, url, headers, body)

    def _open(
        self, endpoint: hosts.Endpoint, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes] | None
    ) -> Response:
        import urllib3
        import urllib3.exceptions

        parts = urllib.parse.urlsplit(url)
        same_host = parts.hostname == urllib.parse.urlsplit(endpoint.origin).hostname
        tls = endpoint.tls if same_host else endpoint.tls.for_strangers()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        pool = self._pool(parts.scheme, parts.netloc, tls, endpoint.dial_timeout)
        try:
            raw = pool.urlopen(
                method, target, body=body, headers=headers, redirect=False, retries=False, preload_content=False,
                decode_content=False, assert_same_host=False,
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
            raise errors.Unavailable(f"{method} {redacted(url)}: {describe(exc)}") from exc
        return Response(raw, url, self._clock)

    def _pool(self, scheme: str, netloc: str, tls: hosts.Tls, dial_timeout: float) -> "urllib3.HTTPConnectionPool":
        import urllib3

        key = (scheme, netloc, tls, dial_timeout)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                _hush()
                host, port = hosts.split_port(netloc)
                options: dict[str, Any] = {
                    "port": int(port) if port else None, "maxsize": _MOST_CONNECTIONS, "block": False,
                    "timeout": urllib3.Timeout(connect=dial_timeout, read=_STALL),
                }  # fmt: skip
                if scheme == "https":
                    if tls.skip_verify:
                        options["assert_hostname"] = False
                    pool = urllib3.HTTPSConnectionPool(host, ssl_context=_context(tls), **options)
                else:
                    pool = urllib3.HTTPConnectionPool(host, **options)
                self._pools[key] = pool
            return pool

    def _ask_token(
        self, endpoint: hosts.Endpoint, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> auth.Answer:
        """Ask a token server. Its secrets go to the realm's own host; a POST is not redirected to any other."""
        check_target(url, endpoint.origin, what="token server")
        given = dict(headers)
        for _ in range(MOST_REDIRECTS + 1):
            sent = {"User-Agent": f"boxship/{boxship.__version__}", **given}
            with self._open(endpoint, method, url, sent, None if body is None else [body]) as response:
                location = response.headers.get("Location", "")
                if response.status not in _REDIRECTS or not location:
                    return auth.Answer(status=response.status, body=response.read(auth.TOKEN_LIMIT))
                target = joined(url, location)
            check_target(target, url, what="redirect of the token server")
            if origin(target) != origin(url):
                if body is not None:
                    raise errors.PermissionDenied(
                        f"token server {redacted(url)} sends the account on to {redacted(target)}"
                    )
                given.pop("Authorization", None)
            url = target
        raise errors.Unavailable(f"token server {redacted(url)}: more than {MOST_REDIRECTS} redirects")


def check_target(target: str, source: str, *, what: str) -> None:
    """Refuse a URL that a server at `source` may not send us to.

    Raises:
        PermissionDenied: it is no HTTP, gives up TLS, carries an account or control characters, or names a private
            address although the source has a public one (metadata services live at link-local addresses).
    """
    try:
        parts, before = urllib.parse.urlsplit(target), urllib.parse.urlsplit(source)
        host, known, port = parts.hostname or "", before.hostname or "", parts.port
    except ValueError:
        raise errors.PermissionDenied(f"{what} from {redacted(source)} leads to no URL") from None
    cause = ""
    if parts.scheme not in {"http", "https"} or not host or any(letter <= " " or letter == "\x7f" for letter in target):
        cause = "which is no URL of a web server"
    elif parts.scheme == "http" and before.scheme == "https":
        cause = "which gives up TLS"
    elif parts.username is not None:
        cause = "which carries an account"
    elif host != known and _is_inside(host) and not (_is_inside(known) and not _is_link_local(host)):
        cause = "which is an address of a private network"
    elif port == 0:
        cause = "which has no port"
    if cause:
        raise errors.PermissionDenied(f"{what} from {redacted(source)} leads to {redacted(target)}, {cause}")


def _is_inside(host: str) -> bool:
    address = hosts.literal(host)
    if address is None:
        return hosts.is_this_machine(host)
    return not address.is_global


def _is_link_local(host: str) -> bool:
    address = hosts.literal(host)
    return address is not None and (address.is_link_local or address.is_unspecified or address.is_multicast)


def joined(url: str, location: str) -> str:
    """The absolute form of a Location. Raises PermissionDenied when it is no URL at all."""
    try:
        return urllib.parse.urljoin(url, location)
    except ValueError:
        raise errors.PermissionDenied(f"{redacted(url)} leads to no URL") from None


def origin(url: str) -> str:
    """Scheme, host and port of a URL, in lower case and with the port that goes without saying."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def redacted(url: str) -> str:
    """A URL for messages: without account, and with no value of its query but `ns`."""
    try:
        parts = urllib.parse.urlsplit(url)
        pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "a malformed URL"
    query = "&".join(f"{key}={value if key == 'ns' else '…'}" for key, value in pairs)
    text = urllib.parse.urlunsplit((parts.scheme, host, parts.path, query, ""))
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])


def retry_after(text: str | None, attempt: int) -> float:
    """Seconds until the next attempt: what the server wishes (RFC 9110, 10.2.3), a minute at most, else a growing pause."""
    if text is None:
        return _backoff(attempt)
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), _LONGEST_PAUSE)
    import email.utils

    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return _backoff(attempt)
    return min(max(moment - time.time(), 0.0), _LONGEST_PAUSE)


def _backoff(attempt: int) -> float:
    return min(0.1 * 4.0**attempt, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)


def describe(exc: BaseException) -> str:
    """Why a connection failed, in a few words and without the URL that urllib3 repeats."""
    import ssl

    import urllib3.exceptions

    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({seen.verify_message}); name its authority as `ca` in hosts.toml"
        if isinstance(seen, urllib3.exceptions.NameResolutionError):
            return "its name cannot be resolved; check it, and the name servers of this machine"
        if isinstance(seen, ConnectionRefusedError):
            return "connection refused; is a registry running there?"
        timed_out = isinstance(seen, urllib3.exceptions.ConnectTimeoutError)
        if timed_out and not isinstance(seen, urllib3.exceptions.NewConnectionError):
            return "no connection in time; is the registry reachable from here?"
        if isinstance(seen, urllib3.exceptions.ReadTimeoutError | TimeoutError):
            return "no answer in time"
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__ or _reason(seen)
    return type(exc).__name__


def _reason(exc: BaseException) -> BaseException | None:
    reason = getattr(exc, "reason", None) or (exc.args[-1] if exc.args else None)
    return reason if isinstance(reason, BaseException) and reason is not exc else None


def _context(tls: hosts.Tls) -> "ssl.SSLContext":
    import ssl

    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for path in tls.authorities:
            context.load_verify_locations(cafile=path)
        for certificate, key in tls.identities:
            context.load_cert_chain(certificate, key or None)
    except OSError as exc:
        raise errors.FailedPrecondition(f"certificates {', '.join(tls.authorities)}: cannot be used: {exc}") from exc
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _hush() -> None:
    """urllib3 logs whole URLs at level DEBUG, and signed ones are secrets; and it warns of what was asked for."""
    import logging

    import urllib3.exceptions

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
