"""Connections to servers, kept and shared by threads: directly or through a proxy, in the clear or over TLS."""

import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from boxship.remotes import addresses, failures, hosts, lines, proxies, responses, urls
from boxship.terms import errors

if TYPE_CHECKING:
    import ssl

    import urllib3

_MOST_CONNECTIONS = 16
_LENGTH = re.compile(r"[0-9]{1,18}( *, *[0-9]{1,18})*", re.ASCII)


class HopelessError(errors.Unavailable):
    """Nobody is there, or not who should be: asking again at once will not help."""


class Connections:
    """Opens requests; nothing is followed, retried or decompressed.

    Args:
        ways: the proxies.
        clock: monotonic seconds.
    """

    def __init__(self, ways: proxies.Proxies, *, clock: Callable[[], float]) -> None:
        self._ways = ways
        self._clock = clock
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str, hosts.Tls, float], urllib3.HTTPConnectionPool] = {}

    def close(self) -> None:
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Iterable[bytes] | None,
        tls: hosts.Tls,
        dial_timeout: float,
    ) -> responses.Response:
        """Send a request. Raises Unavailable, HopelessError when that will not change, PermissionDenied for a proxy."""
        import urllib3.exceptions

        parts = urllib.parse.urlsplit(url)
        proxy = self._ways.for_url(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if proxy is not None and parts.scheme == "http":
            target = f"http://{parts.netloc}{target}"  # RFC 9112, 3.2.2: a proxy is told the whole URL
        pool = self._pool(parts.scheme, parts.netloc, tls, dial_timeout, proxy)
        way = f" through the proxy {proxy.url}" if proxy else ""
        try:
            raw = pool.urlopen(
                method, target, body=body, headers=headers, redirect=False, retries=False, preload_content=False,
                decode_content=False, assert_same_host=False,
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
            kind = HopelessError if failures.is_hopeless(exc) else errors.Unavailable
            raise kind(f"{method} {urls.redacted(url)}{way}: {failures.describe(exc)}") from exc
        if proxy is not None and raw.status == 407:
            raw.close()
            raise HopelessError(f"{method} {urls.redacted(url)}{way}: {failures.PROXY_WANTS_ACCOUNT}")
        if not _LENGTH.fullmatch(raw.headers.get("Content-Length", "0")):
            raw.close()  # nobody knows where it ends, and nobody shall wait for it
            raise errors.Unavailable(f"{method} {urls.redacted(url)}{way}: it speaks no proper HTTP (Content-Length)")
        return responses.Response(raw, url, self._clock)

    def _pool(
        self, scheme: str, netloc: str, tls: hosts.Tls, dial_timeout: float, proxy: proxies.Proxy | None
    ) -> "urllib3.HTTPConnectionPool":
        # A proxy passes on what is in the clear, whoever it is for; a tunnel leads to one server.
        shared = proxy is not None and scheme == "http"
        key = (scheme, "" if shared else netloc, tls, dial_timeout)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                _hush()
                pool = lines.bound(_new_pool(scheme, netloc, tls, dial_timeout, proxy))
                self._pools[key] = pool
            return pool


def _new_pool(
    scheme: str, netloc: str, tls: hosts.Tls, dial_timeout: float, proxy: proxies.Proxy | None
) -> "urllib3.HTTPConnectionPool":
    import urllib3

    options: dict[str, Any] = {
        "maxsize": _MOST_CONNECTIONS, "block": False,
        "timeout": urllib3.Timeout(connect=dial_timeout, read=responses.STALL),
    }  # fmt: skip
    if scheme == "https":
        options["ssl_context"] = _context(tls)
        if tls.skip_verify:
            options["assert_hostname"] = False
    host, text = addresses.split_port(netloc)
    port = int(text) if text else None
    if proxy is not None:
        told = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        if proxy.url.startswith("https:"):
            # What is believed of the registry is not believed of the proxy.
            options["proxy_ssl_context"] = _context(hosts.Tls())
            options.setdefault("ssl_context", options["proxy_ssl_context"])
        return urllib3.ProxyManager(proxy.url, proxy_headers=told, **options).connection_from_host(host, port, scheme)
    kind = urllib3.HTTPSConnectionPool if scheme == "https" else urllib3.HTTPConnectionPool
    return kind(host, port, **options)


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
