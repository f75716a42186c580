"""Who we are at a registry: Docker's config.json, its helpers, or what a caller said.

Secrets live in memory only, appear in no repr and in no message, and belong to one host: whoever asks names the host,
and gets what is kept for exactly that one.
"""

import base64
import binascii
import dataclasses
import os
import re
import stat
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from boxship.remotes import keychains
from boxship.terms import documents, errors

HELPER_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")
_FILE_LIMIT = 4 * 1024 * 1024
_HELPER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_DOCKER_KEY = "https://index.docker.io/v1/"
_NOT_FOUND = "credentials not found in native keychain"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One account at one registry.

    Attributes:
        username, secret: for basic authentication and password grants.
        identity_token: a refresh token, to be traded for bearer tokens.
        registry_token: a bearer token, sent as it is.
    """

    username: str = ""
    secret: str = dataclasses.field(default="", repr=False)
    identity_token: str = dataclasses.field(default="", repr=False)
    registry_token: str = dataclasses.field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.username or self.secret or self.identity_token or self.registry_token)


class Source(Protocol):
    def lookup(self, host: str) -> Credential | None:
        """The account at `host` (`docker.io`, `example.com:5000`), or None to stay anonymous.

        Raises:
            FailedPrecondition: there should be one, and it cannot be read.
        """


class Anonymous:
    """Nobody anywhere."""

    def lookup(self, host: str) -> Credential | None:
        return None


class Fixed:
    """Accounts that a caller gave, by host."""

    def __init__(self, accounts: Mapping[str, Credential]) -> None:
        self._accounts = dict(accounts)

    def __repr__(self) -> str:
        return f"Fixed({', '.join(sorted(self._accounts))})"

    def lookup(self, host: str) -> Credential | None:
        return self._accounts.get(host)


class Several:
    """The first of some sources that knows a host."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)

    def lookup(self, host: str) -> Credential | None:
        for source in self._sources:
            if found := source.lookup(host):
                return found
        return None


class DockerConfig:
    """Docker's `config.json`, read at each look-up, so that a login needs no restart.

    A helper for one host (`credHelpers`) goes before the common one (`credsStore`), and that before what stands in the
    file (`auths`). A helper that fails is an error: falling back could send another account's secret.

    Args:
        path: the file; that it does not exist is the same as an empty one.
        folders: where `docker-credential-NAME` is looked for.
    """

    def __init__(self, path: str, *, folders: Sequence[str] = HELPER_FOLDERS) -> None:
        self._path = path
        self._folders = tuple(folders)

    def __repr__(self) -> str:
        return f"DockerConfig({self._path!r})"

    def lookup(self, host: str) -> Credential | None:
        fields = self._load()
        helper = self._helper_of(fields, host)
        if helper:
            return self._ask(helper, _DOCKER_KEY if host == "docker.io" else host)
        return self._from_file(fields, host)

    def _wrong(self, cause: str) -> errors.FailedPrecondition:
        return errors.FailedPrecondition(f"credentials file {self._path}: {cause}")

    def _load(self) -> Mapping[str, Any]:
        try:
            # A pipe in its place must not make us wait for a writer.
            with open(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise self._wrong("is no regular file")
                data = file.read(_FILE_LIMIT + 1)
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise self._wrong(f"cannot be read: {exc.strerror}") from exc
        try:
            # The cause is left out: a parser's message may quote the secret that it stumbled over.
            return documents.mapping(documents.load(data, limit=_FILE_LIMIT), "")
        except errors.InvalidArgument:
            raise self._wrong("is no valid JSON object; log in again, or repair it") from None

    def _helper_of(self, fields: Mapping[str, Any], host: str) -> str:
        by_host = fields.get("credHelpers") or {}
        keys = _keys(host)
        helper = next((by_host[key] for key in keys if key in by_host), None) if isinstance(by_host, dict) else None
        helper = fields.get("credsStore") or "" if helper is None else helper
        if not isinstance(helper, str) or (helper and not _HELPER_NAME.fullmatch(helper)):
            raise self._wrong(f"names a credential helper for {host} that cannot exist")
        return helper

    def _from_file(self, fields: Mapping[str, Any], host: str) -> Credential | None:
        auths = fields.get("auths") or {}
        if not isinstance(auths, dict):
            raise self._wrong("auths is no object")
        wanted = _keys(host)
        for key, entry in auths.items():
            if (key in wanted or _host_of(key) in wanted) and isinstance(entry, dict) and entry:
                return self._entry(entry, key) or None
        return None

    def _entry(self, entry: Mapping[str, Any], key: str) -> Credential:
        found = {
            name: entry.get(name) or "" for name in ("auth", "username", "password", "identitytoken", "registrytoken")
        }
        if not all(isinstance(value, str) for value in found.values()):
            raise self._wrong(f"auths[{key!r}] holds something else than strings")
        username, secret = found["username"], found["password"]
        if found["auth"]:
            try:
                text = base64.b64decode(found["auth"], validate=True).decode().rstrip("\0")
            except (binascii.Error, ValueError):
                raise self._wrong(f"auths[{key!r}].auth is no base64 of user:password") from None
            username, colon, secret = text.partition(":")
            if not colon:
                raise self._wrong(f"auths[{key!r}].auth is no base64 of user:password")
        return Credential(
            username=username,
            secret=secret,
            identity_token=found["identitytoken"],
            registry_token=found["registrytoken"],
        )

    def _ask(self, helper: str, server: str) -> Credential | None:
        """Speak the helper protocol: the server on standard input, JSON or a sentence on standard output.

        https://github.com/docker/docker-credential-helpers#development
        """
        program = f"docker-credential-{helper}"
        path = next(
            (each for folder in self._folders if os.access(each := os.path.join(folder, program), os.X_OK)), None
        )
        if path is None:
            raise self._wrong(f"wants {program} for {server}, which is in none of {', '.join(self._folders)}")
        status, output = keychains.ask([path, "get"], server.encode())
        if status is None:
            raise errors.FailedPrecondition(f"credential helper {path} for {server} did not answer")
        if status:
            if output.decode(errors="replace").strip().startswith(_NOT_FOUND):
                return None
            raise errors.FailedPrecondition(f"credential helper {path} failed for {server} with status {status}")
        return self._answer(output, path)

    def _answer(self, output: bytes, path: str) -> Credential | None:
        try:
            fields = documents.mapping(documents.load(output, limit=keychains.OUTPUT_LIMIT), "")
            username, secret = documents.string(fields, "Username", ""), documents.string(fields, "Secret", "")
        except errors.InvalidArgument:
            raise errors.FailedPrecondition(
                f"credential helper {path} answered something else than credentials"
            ) from None
        if username == "<token>":
            return Credential(identity_token=secret)
        return Credential(username=username, secret=secret) or None


def _keys(host: str) -> tuple[str, ...]:
    """The names under which Docker keeps a host; Docker Hub has its own."""
    return ("docker.io", "index.docker.io", _DOCKER_KEY, "registry-1.docker.io") if host == "docker.io" else (host,)


def _host_of(key: str) -> str:
    """Old entries are URLs: the host of one. A path on a host other than Docker's versions is another account."""
    rest = key.removeprefix("https://").removeprefix("http://")
    host, _, path = rest.partition("/")
    return host if path.strip("/") in {"", "v1", "v2"} else key
