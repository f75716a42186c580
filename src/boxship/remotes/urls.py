"""URLs that servers send us to, and URLs in messages."""

import urllib.parse

from boxship.remotes import addresses
from boxship.terms import errors


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
    address = addresses.literal(host)
    if address is None:
        return addresses.is_this_machine(host)
    return not address.is_global


def _is_link_local(host: str) -> bool:
    address = addresses.literal(host)
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
