"""Which proxy a request goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, read as Go's net/http reads them.

    chosen = proxies.Proxies.of(environment)          # the caller's variables; nobody here looks at the process's own
    proxy = chosen.for_url("https://registry.example/v2/")

Names may be in upper or lower case, upper first. This machine is never reached through a proxy. In a CGI program
HTTP_PROXY is a header that a stranger sent, so there it does not count (https://httpoxy.org).
"""

import base64
import dataclasses
import ipaddress
import urllib.parse
from collections.abc import Mapping
from typing import Self

from boxship.remotes import addresses
from boxship.terms import errors

_PORTS = {"http": 80, "https": 443}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One proxy.

    Attributes:
        url: scheme, host and port; no account.
        authorization: value of Proxy-Authorization; empty for none.
    """

    url: str
    authorization: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Exception:
    """One entry of NO_PROXY; an empty port stands for all."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    suffix: str = ""
    itself: bool = False
    port: str = ""

    def covers(self, host: str, port: int) -> bool:
        if self.port not in {"", str(port)}:
            return False
        if self.network is not None:
            address = addresses.literal(host)
            return address is not None and address in self.network
        return host.endswith(self.suffix) or (self.itself and host == self.suffix[1:])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The proxies by scheme of the wanted URL, and who is reached without.

    Attributes:
        by_scheme: a variable's name and what it holds.
    """

    by_scheme: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict, repr=False)
    exceptions: tuple[_Exception, ...] = ()
    nobody: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        found: dict[str, tuple[str, str]] = {}
        for scheme in _PORTS:
            name, value = _variable(environment, f"{scheme}_proxy".upper())
            if value and not (name == "HTTP_PROXY" and environment.get("REQUEST_METHOD")):
                found[scheme] = (name, value)
        entries = [each.strip().lower() for each in _variable(environment, "NO_PROXY")[1].split(",")]
        exceptions = [_exception(each) for each in entries if each and each != "*"]
        return cls(by_scheme=found, exceptions=tuple(each for each in exceptions if each), nobody="*" in entries)

    def for_url(self, url: str) -> Proxy | None:
        """The proxy on the way to a URL; None to go there directly.

        Raises InvalidArgument when the variable holds no proxy: going past it could be what must not happen.
        """
        parts = urllib.parse.urlsplit(url)
        told = self.by_scheme.get(parts.scheme)
        host = parts.hostname or ""
        if told is None or self.nobody or addresses.is_this_machine(host):
            return None
        port = parts.port or _PORTS[parts.scheme]
        return None if any(each.covers(host, port) for each in self.exceptions) else _proxy(*told)


NONE = Proxies()
"""Everything is reached directly."""


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """The name that is set, in upper or lower case, and its value."""
    return next(((each, environment[each]) for each in (name, name.lower()) if environment.get(each)), (name, ""))


def _proxy(name: str, value: str) -> Proxy:
    """`[http[s]://][user[:password]@]host[:port]`. The value is in no message: it may hold a password."""
    try:
        parts = urllib.parse.urlsplit(value if "://" in value else f"http://{value}")
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        raise errors.InvalidArgument(f"{name}: is no URL of a proxy") from None
    if scheme not in _PORTS:
        raise errors.InvalidArgument(
            f"{name}: a proxy of kind {scheme[:20]!r} is not supported, only http and https are"
        )
    if not host or any(letter <= " " or letter == "\x7f" for letter in value):
        raise errors.InvalidArgument(f"{name}: is no URL of a proxy")
    authorization = ""
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(url=f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}", authorization=authorization)


def _exception(entry: str) -> _Exception | None:
    """`10.0.0.0/8`, `10.1.2.3:443`, `example.com` (and what is below it), `.example.com`, `*.example.com:80`."""
    if network := _network(entry):
        return _Exception(network=network)
    host, port = addresses.split_port(entry) if entry.count(":") == 1 or entry.startswith("[") else (entry, "")
    host = host.removeprefix("[").removesuffix("]").removeprefix("*")
    if not host:
        return None
    if network := _network(host):
        return _Exception(network=network, port=port)
    itself = not host.startswith(".")
    return _Exception(suffix=f".{host}" if itself else host, itself=itself, port=port)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
