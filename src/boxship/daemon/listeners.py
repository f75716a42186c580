"""Sockets that others connect to, and the folders they lie in."""

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

_LONGEST = 107  # bytes of sun_path without the NUL (unix(7))
_BACKLOG = 512


class Refused(Exception):
    """An address that cannot be listened on; the message says which and why."""


def unix(address: str, *, uid: int, gid: int, mode: int = 0o660) -> socket.socket:
    """Listen on a path that the given user and group own. A socket that nobody listens on any more is replaced.

    Raises:
        Refused: the path is too long, or somebody listens there, or something else lies there.
    """
    path = address.removeprefix("unix://")
    if len(os.fsencode(path)) > _LONGEST:
        raise Refused(f"address {path} is longer than the {_LONGEST} bytes that a unix socket's path may have")
    os.makedirs(os.path.dirname(path) or ".", mode=0o711, exist_ok=True)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mode of the inode is taken from the socket's at bind, so that it is never wider than wanted.
        os.fchmod(listener.fileno(), mode)
        before = os.umask(0o777 & ~mode)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        os.chmod(path, mode)
        if (uid, gid) != (os.geteuid(), os.getegid()):
            os.chown(path, uid, gid)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise Refused(f"cannot listen on {path}: {exc.strerror}") from exc
    return listener


def tcp(address: str) -> socket.socket:
    """Listen on `host:port`. Raises Refused."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if not port.isdigit():
        raise Refused(f"tcp address {address} has no port")
    try:
        return socket.create_server((host.strip("[]"), int(port)), backlog=_BACKLOG, reuse_port=False)
    except OSError as exc:
        raise Refused(f"cannot listen on {address}: {exc.strerror or exc}") from exc


def tls(certificate: str, key: str, authority: str = "") -> "ssl.SSLContext":
    """What TLS needs; with an authority, clients must show a certificate of it.

    Raises:
        Refused: a file cannot be read or used.
    """
    import ssl  # costs 2 MB, and few listen on TCP

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(certificate, key)
        if authority:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as exc:
        raise Refused(f"certificate {certificate} with key {key}: {exc}") from exc
    return context


def folder(path: str, mode: int) -> None:
    """Make a folder of ours, or bring an old one to the mode it should have; never follow a link."""
    os.makedirs(path, mode=mode, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise Refused(f"folder {path} belongs to user {os.fstat(descriptor).st_uid}, not to us")
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _clear(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise Refused(f"cannot listen on {path}: it is there and is no socket")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # many are waiting for it
            pass
        except OSError as exc:
            raise Refused(f"cannot listen on {path}: what is there cannot be asked: {exc.strerror}") from exc
    raise Refused(f"cannot listen on {path}: another process does")
