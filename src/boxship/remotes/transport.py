"""One HTTP request to a registry, made so that a hostile answer can do little.

Redirects are followed here, five at most: what belongs to one host (Authorization, configured headers, client
certificates) is not carried to another, TLS is not given up, and nobody sends us into private networks. Failures that
pass are tried again, as long as the server wishes, a minute at most. No body is read beyond its limit, no body is
decompressed, and nothing is read from the environment.
"""

import dataclasses
import random
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping

import boxship
from boxship.remotes import auth, connections, credentials, hosts, proxies, responses, urls
from boxship.terms import errors

MOST_REDIRECTS = 5
MOST_ATTEMPTS = 5
_LONGEST_PAUSE = 60.0
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


class Transport:
    """Makes requests; many threads may share one.

    Args:
        source: accounts.
        ways: the proxies.
        pause: waits so many seconds; tests hand in something quicker.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        source: credentials.Source,
        ways: proxies.Proxies = proxies.NONE,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._connections = connections.Connections(ways, clock=clock)
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._authorizers: dict[str, auth.Authorizer] = {}

    def close(self) -> None:
        self._connections.close()

    def send(self, endpoint: hosts.Endpoint, request: Request) -> responses.Response:
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
            except connections.HopelessError as exc:
                raise errors.Unavailable(exc.message) from exc
            except errors.Unavailable:
                if attempt >= MOST_ATTEMPTS or not request.patient:
                    raise
                delay = _backoff(attempt)
            else:
                if response.status not in PASSING or attempt >= MOST_ATTEMPTS or not request.patient:
                    return response
                wish = response.headers.get("Retry-After")
                wishes = wish is not None or response.status == 429
                delay = retry_after(wish, attempt) if wishes else _backoff(attempt)
                response.read_quietly()
            attempt += 1
            self._pause(delay)

    def open(self, endpoint: hosts.Endpoint, request: Request) -> responses.Response:
        """One attempt without account, redirects and retries, to learn who is there. Raises Unavailable."""
        try:
            return self._once(endpoint, request, urllib.parse.urljoin(endpoint.origin, request.url), None)
        except connections.HopelessError as exc:
            raise errors.Unavailable(exc.message) from exc

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

    def _authorized(self, endpoint: hosts.Endpoint, request: Request) -> responses.Response:
        """Send, and after a 401 once more with what was asked for, and once more with a fresh token."""
        authorizer = self.authorizer(endpoint)
        for attempt in range(3):
            header = authorizer.header(request.scopes)
            response = self._redirected(endpoint, request, header)
            if response.status != 401 or urls.origin(response.url) != urls.origin(endpoint.origin) or attempt == 2:
                return response
            texts = response.values("WWW-Authenticate")
            response.read_quietly()
            authorizer.challenged(texts, header, request.scopes)
        raise AssertionError  # the loop returns

    def _redirected(self, endpoint: hosts.Endpoint, request: Request, authorization: str | None) -> responses.Response:
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
                    f"{urls.redacted(url)}: answers an upload with redirect {status}, which loses its body"
                )
            target = urls.joined(url, location)
            urls.check_target(target, url, what="redirect")
            url = target
        raise errors.Unavailable(f"{urls.redacted(url)}: more than {MOST_REDIRECTS} redirects")

    def _once(
        self, endpoint: hosts.Endpoint, request: Request, url: str, authorization: str | None
    ) -> responses.Response:
        headers = {"User-Agent": f"boxship/{boxship.__version__}", "Accept-Encoding": "identity", **request.headers}
        if urls.origin(url) == urls.origin(endpoint.origin):
            own = {name.lower(): name for name in (*headers, "Authorization")}
            for name, values in endpoint.headers.items():
                headers[own.get(name.lower(), name)] = ", ".join(values)
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
    ) -> responses.Response:
        same_host = urllib.parse.urlsplit(url).hostname == urllib.parse.urlsplit(endpoint.origin).hostname
        tls = endpoint.tls if same_host else endpoint.tls.for_strangers()
        return self._connections.open(
            method, url, headers=headers, body=body, tls=tls, dial_timeout=endpoint.dial_timeout
        )

    def _ask_token(
        self, endpoint: hosts.Endpoint, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> auth.Answer:
        """Ask a token server. Its secrets go to the realm's own host; a POST is not redirected to any other."""
        urls.check_target(url, endpoint.origin, what="token server")
        given = dict(headers)
        for _ in range(MOST_REDIRECTS + 1):
            sent = {"User-Agent": f"boxship/{boxship.__version__}", **given}
            if body is not None:
                sent["Content-Length"] = str(len(body))  # or it would go in chunks, which some do not understand
            with self._open(endpoint, method, url, sent, None if body is None else [body]) as response:
                location = response.headers.get("Location", "")
                if response.status not in _REDIRECTS or not location:
                    return auth.Answer(status=response.status, body=response.read(auth.TOKEN_LIMIT))
                target = urls.joined(url, location)
            urls.check_target(target, url, what="redirect of the token server")
            if urls.origin(target) != urls.origin(url):
                if body is not None:
                    raise errors.PermissionDenied(
                        f"token server {urls.redacted(url)} sends the account on to {urls.redacted(target)}"
                    )
                given.pop("Authorization", None)
            url = target
        raise errors.Unavailable(f"token server {urls.redacted(url)}: more than {MOST_REDIRECTS} redirects")


def retry_after(text: str | None, attempt: int) -> float:
    """Seconds until the next attempt: what the server wishes (RFC 9110, 10.2.3), a minute at most, else a growing pause."""
    if text is None:
        return _backoff(attempt, 1.0)
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), _LONGEST_PAUSE)
    import email.utils

    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return _backoff(attempt, 1.0)
    return min(max(moment - time.time(), 0.0), _LONGEST_PAUSE)


def _backoff(attempt: int, first: float = 0.1) -> float:
    return min(first * 2.0**attempt, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)
