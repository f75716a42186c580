"""Telling systemd how we are (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names."""

import contextlib
import os
import socket


def tell(state: str) -> None:
    """`READY=1`, `STOPPING=1` and the like; nothing happens when nobody asked."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)
