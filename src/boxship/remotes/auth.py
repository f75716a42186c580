"""How a registry is convinced: challenges, bearer tokens, basic authentication.

A server that answers 401 says in WWW-Authenticate what it wants (RFC 9110, 11.6.1). For `Bearer` a token is fetched
from the named realm: with an account by POST (OAuth2: password or refresh token) and, where the realm knows no POST,
by GET with basic authentication; without one by GET as nobody
(https://distribution.github.io/distribution/spec/auth/token/, .../oauth/).

The realm is a stranger's word, so it is looked at before any secret goes there: see `urls.check_target`.
"""

import base64
import dataclasses
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from boxship.remotes import challenges, credentials, hosts
from boxship.terms import documents, errors

CLIENT_ID = "boxship"
TOKEN_LIMIT = 64 * 1024
_SHORTEST_LIFE, _LONGEST_LIFE = 60.0, 24 * 3600.0
_MARGIN = 5.0
_MOST_TOLD = 8
_NO_POST_HERE = frozenset({400, 401, 404, 405})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a token server said."""

    status: int
    body: bytes


class Post(Protocol):
    def __call__(
        self, endpoint: hosts.Endpoint, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        """Ask a token server named by `endpoint`. Raises PermissionDenied for a realm where no secret may go."""


@dataclasses.dataclass(slots=True)
class _Header:
    value: str = dataclasses.field(repr=False)
    expires: float


class Authorizer:
    """Knows what one endpoint wants and keeps the tokens got for it; many threads may share it."""

    def __init__(
        self,
        endpoint: hosts.Endpoint,
        source: credentials.Source,
        post: Post,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._source = source
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._challenge: challenges.Challenge | None = None
        self._told: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._kept: dict[tuple[str, ...], _Header] = {}
        self._refresh = ""

    def __repr__(self) -> str:
        return f"Authorizer({self._endpoint.address})"

    def header(self, scopes: Sequence[str]) -> str | None:
        """The value of Authorization for a request with these scopes; None while nobody has asked for one.

        Raises:
            Unauthenticated: there is no account, or the server does not accept it.
            Unavailable: the token server does not answer.
        """
        with self._lock:
            if self._challenge is None:
                return None
            return self._header(self._challenge, tuple(sorted(set(scopes))))

    def challenged(self, texts: Sequence[str], refused: str | None, scopes: Sequence[str]) -> None:
        """Take note of a 401. `refused` is the header that was sent and was not enough.

        Raises:
            Unauthenticated: the server asks for nothing that could be given.
        """
        known = [each for each in challenges.parse(texts) if each.scheme in {"bearer", "basic"}]
        if not known:
            raise self._failed("it answers 401 without saying what it wants (no Basic or Bearer challenge)")
        best = next((each for each in known if each.scheme == "bearer"), known[0])
        with self._lock:
            if refused is not None and refused.startswith("Basic ") and best.scheme == "basic":
                self._kept.clear()
                raise self._failed("it does not accept the account")
            self._challenge = best
            key = tuple(sorted(set(scopes)))
            self._told[key] = tuple(best.parameters.get("scope", "").split())[:_MOST_TOLD]
            kept = self._kept.get(key)
            if kept is not None and refused == kept.value:
                del self._kept[key]

    def _failed(self, cause: str) -> errors.Unauthenticated:
        way_out = f"log in with `docker login {self._endpoint.account}`, or give user and password"
        return errors.Unauthenticated(f"registry {self._endpoint.address}: {cause}; {way_out}")

    def _header(self, challenge: challenges.Challenge, scopes: tuple[str, ...]) -> str:
        kept = self._kept.get(scopes)
        if kept is None or kept.expires <= self._clock():
            kept = self._basic() if challenge.scheme == "basic" else self._fetch(challenge, scopes)
            self._kept[scopes] = kept
        return kept.value

    def _basic(self) -> _Header:
        account = self._source.lookup(self._endpoint.account)
        if account is None or not (account.username or account.secret):
            raise self._failed("it wants an account and none is known")
        return _Header(_basic(account), self._clock() + _SHORTEST_LIFE)

    def _fetch(self, challenge: challenges.Challenge, scopes: tuple[str, ...]) -> _Header:
        account = self._source.lookup(self._endpoint.account)
        if account is not None and account.registry_token:
            return _Header(f"Bearer {account.registry_token}", self._clock() + _LONGEST_LIFE)
        realm = challenge.parameters.get("realm", "")
        if not realm:
            raise self._failed("its challenge names no realm")
        # A server behind a path may know its repositories by other names than we do, so what it says is asked for too.
        told = self._told.get(scopes) or (() if scopes else challenge.parameters.get("scope", "").split())
        wanted = [*scopes, *(scope for scope in told if not _covered(scope, scopes))]
        answer = self._ask(realm, {"service": challenge.parameters.get("service", "")}, wanted, account)
        if answer.status in {401, 403}:
            raise self._failed(f"its token server {_host(realm)} refuses with {answer.status}" + _for(account))
        if answer.status != 200:
            raise errors.Unavailable(
                f"registry {self._endpoint.address}: its token server {_host(realm)} answers {answer.status}; try again later"
            )
        return self._read(answer.body, realm)

    def _ask(
        self, realm: str, fields: Mapping[str, str], scopes: Sequence[str], account: credentials.Credential | None
    ) -> Answer:
        if account is not None and (account.secret or account.identity_token):
            answer = self._grant(realm, fields, scopes, account)
            if answer.status not in _NO_POST_HERE or not account.secret:
                return answer
        pairs = [(key, value) for key, value in fields.items() if value]
        pairs += [("scope", scope) for scope in scopes]
        headers = {}
        if account is not None and account.secret:
            pairs.append(("account", account.username))
            headers["Authorization"] = _basic(account)
        url = realm + ("&" if urllib.parse.urlsplit(realm).query else "?") + urllib.parse.urlencode(pairs)
        return self._post(self._endpoint, "GET", url, headers=headers, body=None)

    def _grant(
        self, realm: str, fields: Mapping[str, str], scopes: Sequence[str], account: credentials.Credential
    ) -> Answer:
        form = {**fields, "client_id": CLIENT_ID, "scope": " ".join(scopes)}
        # A secret of nobody is an identity token, say Docker's helpers and containerd.
        if refresh := account.identity_token or ("" if account.username else account.secret) or self._refresh:
            form |= {"grant_type": "refresh_token", "refresh_token": refresh}
        else:
            form |= {"grant_type": "password", "username": account.username, "password": account.secret}
        body = urllib.parse.urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return self._post(self._endpoint, "POST", realm, headers=headers, body=body)

    def _read(self, body: bytes, realm: str) -> _Header:
        """Take the token out of an answer. The body is in no message: it may hold a token that somebody can use."""
        try:
            fields: Mapping[str, Any] = documents.mapping(documents.load(body, limit=TOKEN_LIMIT), "")
            value = documents.string(fields, "token", "") or documents.string(fields, "access_token", "")
            refresh = documents.string(fields, "refresh_token", "")
        except errors.InvalidArgument:
            value = refresh = ""
            fields = {}
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise self._failed(f"its token server {_host(realm)} answered without a token")
        if refresh.isascii() and refresh.isprintable():
            self._refresh = refresh
        life = fields.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and not isinstance(life, bool) else _SHORTEST_LIFE
        seconds = min(max(seconds, _SHORTEST_LIFE), _LONGEST_LIFE)
        return _Header(f"Bearer {value}", self._clock() + seconds - _MARGIN)


def _covered(scope: str, scopes: Sequence[str]) -> bool:
    """Whether another scope allows at least what `resource:actions` does."""
    resource, _, actions = scope.rpartition(":")
    wanted = set(actions.split(","))
    return any(
        each.rpartition(":")[0] == resource and wanted <= set(each.rpartition(":")[2].split(",")) for each in scopes
    )


def _basic(account: credentials.Credential) -> str:
    pair = f"{account.username}:{account.secret}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _host(url: str) -> str:
    try:
        return urllib.parse.urlsplit(url).hostname or "?"
    except ValueError:
        return "?"


def _for(account: credentials.Credential | None) -> str:
    if account is None:
        return " to serve anonymous users"
    return f" for user {account.username!r}" if account.username else " for the kept identity token"
