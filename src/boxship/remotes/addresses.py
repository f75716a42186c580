"""Hosts and ports as people and servers write them, and which of them mean this machine."""

import ipaddress
import re


def split_port(address: str) -> tuple[str, str]:
    """Host and port of `host`, `host:port` or `[v6]:port`; brackets are kept, no port is empty."""
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        return address, ""
    return host, port


def is_this_machine(host: str) -> bool:
    """Whether a host's name can only mean this machine: `localhost`, names below it, loopback addresses."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = literal(host)
    return address is not None and address.is_loopback


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, when it is written as one; IPv4 inside IPv6 comes out as IPv4."""
    bare = host.removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return _old_literal(bare)
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _old_literal(host: str) -> ipaddress.IPv4Address | None:
    """Resolvers still read `127.1`, `0x7f000001` and `2130706433` as addresses."""
    if not re.fullmatch(r"[0-9a-fA-FxX.]*[0-9][0-9a-fA-FxX.]*", host, re.ASCII) or not re.search(
        r"(^|\.)(0[xX])?[0-9a-fA-F]+\.?$", host
    ):
        return None
    import socket

    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None
