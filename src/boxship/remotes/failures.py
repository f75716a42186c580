"""Why a connection failed, in words for people."""

import re
from collections.abc import Iterator

PROXY_WANTS_ACCOUNT = "it wants an account (407); write it into the variable: http://user:password@host:port"


def describe(exc: BaseException) -> str:
    """Why a connection failed, in a few words and without the URL that urllib3 repeats."""
    import http.client
    import ssl

    import urllib3.exceptions

    through = any(isinstance(cause, urllib3.exceptions.ProxyError) for cause in _causes(exc))
    for cause in _causes(exc):
        if status := _tunnel_status(cause):
            return PROXY_WANTS_ACCOUNT if status == "407" else f"it does not let us through ({status})"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); name its authority as `ca` in hosts.toml"
        if isinstance(cause, urllib3.exceptions.NameResolutionError):
            return "its name cannot be resolved; check it, and the name servers of this machine"
        if isinstance(cause, ConnectionRefusedError):
            return f"connection refused; is {'the proxy' if through else 'a registry'} running there?"
        timed_out = isinstance(cause, urllib3.exceptions.ConnectTimeoutError)
        if timed_out and not isinstance(cause, urllib3.exceptions.NewConnectionError):
            return "no connection in time; is the registry reachable from here?"
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError | TimeoutError):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        if isinstance(cause, http.client.HTTPException | urllib3.exceptions.InvalidHeader):
            return f"it speaks no proper HTTP ({type(cause).__name__})"
    return type(exc).__name__


def is_hopeless(exc: BaseException) -> bool:
    """Whether asking again at once cannot help: nobody is there, or not who should be."""
    import ssl

    import urllib3.exceptions

    kinds = (ssl.SSLCertVerificationError, urllib3.exceptions.NameResolutionError, ConnectionRefusedError)
    return any(isinstance(cause, kinds) or _tunnel_status(cause).startswith("4") for cause in _causes(exc))


def _tunnel_status(cause: BaseException) -> str:
    """What a proxy answered to CONNECT; http.client has it in its message only."""
    found = re.match(r"Tunnel connection failed: ([0-9]{3})", str(cause)) if isinstance(cause, OSError) else None
    return found[1] if found else ""


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """The exception and what led to it; urllib3 hides some of it in attributes."""
    seen: BaseException | None = exc
    for _ in range(20):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__ or _reason(seen)


def _reason(exc: BaseException) -> BaseException | None:
    reason = getattr(exc, "reason", None) or (exc.args[-1] if exc.args else None)
    return reason if isinstance(reason, BaseException) and reason is not exc else None
