"""Which servers answer for a registry's name, and how they are spoken to: containerd's `hosts.toml`.

    server = "https://registry.example"          # asked last
    [host."https://mirror.example"]              # asked in the order of the file
      capabilities = ["pull", "resolve"]
      ca = "mirror.crt"

A folder per registry lies in each of the roots: `example.com_5000_` or `example.com:5000`, for the port that goes
without saying `example.com`; `_default` is for all others.
Where it has no hosts.toml, Docker's layout is read: `*.crt` are authorities, `*.cert` with `*.key` client certificates.
Without any folder a name is its own server, over TLS unless it is this machine.
"""

import dataclasses
import os
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from boxship.remotes import addresses
from boxship.terms import errors

DEFAULT_ROOTS = ("/etc/boxship/certs.d", "/etc/containerd/certs.d", "/etc/docker/certs.d")
DOCKER_NAME = "docker.io"
DOCKER_SERVER = "registry-1.docker.io"

PULL, RESOLVE, PUSH = "pull", "resolve", "push"
_ALL = frozenset({PULL, RESOLVE, PUSH})
_KNOWN_CAPABILITIES = _ALL | {"referrers"}

_FILE_LIMIT = 1024 * 1024
_DURATION = re.compile(r"(?:[0-9]{1,6}(?:\.[0-9]{1,6})?(?:ms|s|m|h))+", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a server proves itself and we prove ourselves. Without anything: the machine's authorities.

    Attributes:
        authorities: files with certificates to trust besides the machine's.
        identities: certificate files with their keys; the key is "" when it lies in the same file.
        skip_verify: whoever answers is believed.
    """

    authorities: tuple[str, ...] = ()
    identities: tuple[tuple[str, str], ...] = ()
    skip_verify: bool = False

    def for_strangers(self) -> "Tls":
        """What of it holds for other hosts that the server sends us to: neither our identity nor blind trust."""
        return Tls(authorities=self.authorities)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One server that answers for a registry.

    Attributes:
        scheme: `https` or `http`.
        address: host and port as they stand in a URL.
        prefix: path before the repository, `/v2` as a rule.
        namespace: the registry's name when this is a mirror of it, sent as `?ns=`; else empty.
        headers: sent to this host and to no other.
        undecided: on this machine and nobody said which scheme: found out by asking.
    """

    scheme: str
    address: str
    prefix: str = "/v2"
    namespace: str = ""
    capabilities: frozenset[str] = _ALL
    tls: Tls = Tls()
    headers: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict, repr=False)
    dial_timeout: float = 30.0
    undecided: bool = False

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.address}".lower()

    @property
    def account(self) -> str:
        """The name under which credentials for it are kept."""
        return DOCKER_NAME if self.address == DOCKER_SERVER else self.address


class Hosts:
    """Finds the servers of registries. Files are read at each call, so that a change needs no restart.

    Args:
        roots: folders with a folder per registry.
        plain_http: names of registries that are spoken to without TLS, besides those on this machine; "*" is all.
        skip_verify: names of registries whose certificate is not looked at, where no hosts.toml speaks; "*" is all.
    """

    def __init__(
        self,
        roots: Sequence[str] = DEFAULT_ROOTS,
        *,
        plain_http: Iterable[str] = (),
        skip_verify: Iterable[str] = (),
    ) -> None:
        self._roots = tuple(roots)
        self._plain_http = frozenset(plain_http)
        self._skip_verify = frozenset(skip_verify)

    def endpoints(self, name: str) -> list[Endpoint]:
        """The servers for the registry `name` (`host[:port]`), in the order in which they are asked.

        Raises:
            InvalidArgument: a hosts.toml cannot be understood; the message names file and key.
        """
        folder = self._folder(name)
        if folder is None:
            return [self._own(name)]
        path = os.path.join(folder, "hosts.toml")
        if not os.path.exists(path):
            return [dataclasses.replace(self._own(name), tls=_docker_layout(folder))]
        return _File(path, name, self._own(name)).endpoints()

    def _folder(self, name: str) -> str | None:
        host, port = addresses.split_port(name)
        wanted = [f"{host}_{port}_", f"{host}:{port}"] if port else [host]
        for root in self._roots:
            for folder in (*wanted, "_default"):
                path = os.path.join(root, folder)
                if "/" not in folder and folder not in {"", ".", ".."} and os.path.isdir(path):
                    return path
        return None

    def _own(self, name: str) -> Endpoint:
        address = DOCKER_SERVER if name == DOCKER_NAME else name
        tls = Tls(skip_verify=bool({name, "*"} & self._skip_verify))
        if {name, "*"} & self._plain_http:
            return Endpoint(scheme="http", address=address)
        if addresses.is_this_machine(addresses.split_port(name)[0]) and addresses.split_port(name)[1] != "443":
            return Endpoint(scheme="http", address=address, tls=tls, undecided=True)
        return Endpoint(scheme="https", address=address, tls=tls)


class _File:
    """One hosts.toml."""

    def __init__(self, path: str, name: str, own: Endpoint) -> None:
        self._path = path
        self._folder = os.path.dirname(path)
        self._name = name
        self._own = own

    def endpoints(self) -> list[Endpoint]:
        document = self._load()
        tables = document.get("host", {})
        if not isinstance(tables, dict):
            raise self._wrong("host", "is no table")
        found = [self._endpoint(url, table, f'host."{url}"') for url, table in tables.items()]
        if server := document.get("server"):
            return [*found, self._endpoint(server, document, "server")]
        own = self._endpoint(self._own.origin, document, "")
        return [*found, dataclasses.replace(own, undecided=self._own.undecided and own.tls == Tls())]

    def _load(self) -> dict[str, Any]:
        import tomllib

        try:
            with open(self._path, "rb") as file:
                data = file.read(_FILE_LIMIT + 1)
            if len(data) > _FILE_LIMIT:
                raise errors.InvalidArgument(f"{self._path}: larger than {_FILE_LIMIT} bytes")
            return tomllib.loads(data.decode())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            raise errors.InvalidArgument(f"{self._path}: cannot be read: {exc}") from exc

    def _wrong(self, key: str, cause: str) -> errors.InvalidArgument:
        return errors.InvalidArgument(f"{self._path}: {key}: {cause}")

    def _endpoint(self, url: object, table: object, where: str) -> Endpoint:
        if not isinstance(url, str) or not isinstance(table, dict):
            raise self._wrong(where, "is no table under a URL")
        parts = urllib.parse.urlsplit(url if "://" in url else f"https://{url}")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            raise self._wrong(
                where, f"{parts.scheme}://{parts.hostname} is no URL of a registry: write https://host[:port]"
            )
        prefix = parts.path.rstrip("/")
        if not table.get("override_path") and not prefix.endswith("/v2"):
            prefix += "/v2"
        address = DOCKER_SERVER if parts.netloc == DOCKER_NAME else parts.netloc  # many write the name for the server
        return Endpoint(
            scheme=parts.scheme,
            address=address,
            prefix=prefix,
            namespace="" if address in {self._name, self._own.address} else self._name,
            capabilities=self._capabilities(table, where),
            tls=self._tls(table, where),
            headers=self._headers(table, where),
            dial_timeout=self._duration(table, where),
        )

    def _capabilities(self, table: Mapping[str, Any], where: str) -> frozenset[str]:
        found = frozenset(each.lower() for each in self._texts(table.get("capabilities", ()), f"{where}.capabilities"))
        if not found:
            return _ALL
        if unknown := found - _KNOWN_CAPABILITIES:
            raise self._wrong(f"{where}.capabilities", f"{min(unknown)!r} is none of {', '.join(sorted(_ALL))}")
        return found

    def _tls(self, table: Mapping[str, Any], where: str) -> Tls:
        skip = table.get("skip_verify", False)
        if not isinstance(skip, bool):
            raise self._wrong(f"{where}.skip_verify", "is neither true nor false")
        authorities = self._texts(table.get("ca", ()), f"{where}.ca")
        return Tls(
            authorities=tuple(self._file(each) for each in authorities),
            identities=tuple(self._identities(table.get("client", ()), f"{where}.client")),
            skip_verify=skip,
        )

    def _identities(self, value: object, where: str) -> Iterable[tuple[str, str]]:
        """A file with both, a list of such files, or a list of pairs of certificate and key."""
        for each in [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else [None]:
            pair = [each, ""] if isinstance(each, str) else each
            if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
                raise self._wrong(where, "is no file, no list of files and no list of pairs [certificate, key]")
            yield self._file(pair[0]), self._file(pair[1]) if pair[1] else ""

    def _headers(self, table: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
        value = table.get("header", {})
        if not isinstance(value, dict):
            raise self._wrong(f"{where}.header", "is no table")
        found = {key: tuple(self._texts(each, f"{where}.header.{key}")) for key, each in value.items()}
        for key, texts in found.items():
            if any(letter < " " or letter == "\x7f" for text in (key, *texts) for letter in text):
                raise self._wrong(f"{where}.header", "holds a control character")
        return found

    def _duration(self, table: Mapping[str, Any], where: str) -> float:
        value = table.get("dial_timeout", "30s")
        if not isinstance(value, str) or not _DURATION.fullmatch(value):
            raise self._wrong(f"{where}.dial_timeout", "is no duration such as 3s or 1m30s")
        pieces = re.findall(r"([0-9.]+)(ms|s|m|h)", value)
        return sum(float(number) * _UNITS[unit] for number, unit in pieces) or 30.0

    def _texts(self, value: object, where: str) -> list[str]:
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
            raise self._wrong(where, "is no text and no list of texts")
        return [each for each in found if isinstance(each, str)]

    def _file(self, path: str) -> str:
        return os.path.join(self._folder, path)


def _docker_layout(folder: str) -> Tls:
    names = sorted(os.listdir(folder))
    identities = []
    for name in names:
        stem, extension = os.path.splitext(name)
        if extension == ".cert":
            if f"{stem}.key" not in names:
                raise errors.InvalidArgument(f"{folder}/{name}: the key {stem}.key is missing beside it")
            identities.append((os.path.join(folder, name), os.path.join(folder, f"{stem}.key")))
    authorities = tuple(os.path.join(folder, name) for name in names if name.endswith(".crt"))
    return Tls(authorities=authorities, identities=tuple(identities))
