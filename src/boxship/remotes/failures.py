"""Why a connection failed, in words for people."""

from collections.abc import Iterator


def describe(exc: BaseException) -> str:
    """Why a connection failed, in a few words and without the URL that urllib3 repeats."""
    import ssl

    import urllib3.exceptions

    for cause in _causes(exc):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); name its authority as `ca` in hosts.toml"
        if isinstance(cause, urllib3.exceptions.NameResolutionError):
            return "its name cannot be resolved; check it, and the name servers of this machine"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused; is a registry running there?"
        timed_out = isinstance(cause, urllib3.exceptions.ConnectTimeoutError)
        if timed_out and not isinstance(cause, urllib3.exceptions.NewConnectionError):
            return "no connection in time; is the registry reachable from here?"
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError | TimeoutError):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return type(exc).__name__


def is_hopeless(exc: BaseException) -> bool:
    """Whether asking again at once cannot help: nobody is there, or not who should be."""
    import ssl

    import urllib3.exceptions

    kinds = (ssl.SSLCertVerificationError, urllib3.exceptions.NameResolutionError, ConnectionRefusedError)
    return any(isinstance(cause, kinds) for cause in _causes(exc))


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
