"""Who may do what at a small registry: basic accounts, and bearer tokens with scopes."""

import base64
import binascii
import json
import secrets
import threading
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Literal


class Tokens:
    """Accounts and the tokens given out for them.

    Attributes:
        life: `expires_in` of the next tokens.
        posts: whether the token server knows OAuth2's POST.
        realm: where tokens are given out, when not at the registry itself.
        anonymous_pull: whether nobody's token may pull.
    """

    def __init__(self, accounts: dict[str, str], challenge: Literal["basic", "bearer"]) -> None:
        self.accounts = accounts
        self.challenge = challenge
        self.life: object = 300
        self.posts = True
        self.realm = ""
        self.anonymous_pull = False
        self._given: dict[str, frozenset[str]] = {}
        self._refresh = secrets.token_hex(16)
        self._lock = threading.Lock()

    @property
    def refresh_token(self) -> str:
        """The identity token that is worth an account."""
        return self._refresh

    def forget(self) -> None:
        """All tokens given out so far are worth nothing from now on."""
        with self._lock:
            self._given.clear()

    def allows(self, header: str | None, scope: str) -> bool:
        """Whether an Authorization header is enough for `repository:NAME:ACTION`."""
        if not self.accounts:
            return True
        kind, _, value = (header or "").partition(" ")
        if self.challenge == "basic":
            return kind == "Basic" and self._account(header) is not None
        with self._lock:
            return kind == "Bearer" and scope in self._given.get(value, ())

    def demand(self, url: str, scope: str) -> str:
        """The WWW-Authenticate header of a 401."""
        if self.challenge == "basic":
            return 'Basic realm="boxship test registry"'
        return f'Bearer realm="{self.realm or url + "/token"}",service="test",scope="{scope}"'

    def by_get(self, query: Mapping[str, list[str]], header: str | None) -> tuple[int, bytes]:
        """Status and body for GET /token."""
        if header is not None and self._account(header) is None:
            return 401, b"{}"
        if header is None and not self.anonymous_pull:
            return 401, b"{}"
        return self._give(query.get("scope", []), pull_only=header is None)

    def by_post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body for POST /token."""
        if not self.posts:
            return 404, b"{}"
        form = urllib.parse.parse_qs(body.decode(errors="replace"))
        value = {key: values[0] for key, values in form.items()}
        match value.get("grant_type"):
            case "password":
                known = self.accounts.get(value.get("username", "")) == value.get("password")
            case "refresh_token":
                known = value.get("refresh_token") == self._refresh
            case _:
                return 400, b"{}"
        if not known:
            return 401, b"{}"
        return self._give(value.get("scope", "").split(), pull_only=False)

    def _give(self, scopes: Iterable[str], *, pull_only: bool) -> tuple[int, bytes]:
        token = secrets.token_hex(16)
        found = {
            f"{kind}:{name}:{action}"
            for scope in scopes
            for kind, name, actions in [scope.split(":", 2)]
            for action in actions.split(",")
            if action == "pull" or not pull_only
        }
        with self._lock:
            self._given[token] = frozenset(found)
        return 200, json.dumps({"token": token, "access_token": token, "expires_in": self.life}).encode()

    def _account(self, header: str | None) -> str | None:
        try:
            pair = base64.b64decode((header or "").removeprefix("Basic "), validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        user, _, password = pair.partition(":")
        return user if user and self.accounts.get(user) == password else None
