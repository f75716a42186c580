"""The sockets of our own shims: a folder that nobody else enters, and a name for each shim."""

import errno
import os
import socket
import stat
from pathlib import Path

from boxship.terms import digests, errors

_LONGEST = 107  # bytes of sun_path without its NUL, unix(7)


class Sockets:
    """`folder` is made if need be and must be ours alone."""

    def __init__(self, folder: Path, daemon: str) -> None:
        """`daemon`: the daemon's address, which is part of each name.

        Raises:
            PermissionDenied: the folder belongs to somebody else, or others may write to it.
        """
        self._folder, self._daemon = folder, daemon
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            if found.st_uid != os.geteuid():
                raise errors.PermissionDenied(f"the folder for shims' sockets, {folder}, belongs to uid {found.st_uid}")
            if stat.S_IMODE(found.st_mode) != 0o700:
                os.fchmod(fd, 0o700)
        finally:
            os.close(fd)

    def path(self, namespace: str, name: str) -> str:
        """Where the shim of a task, or of a group of tasks, listens.

        Raises:
            InvalidArgument: the folder's path is too long for a socket in it.
        """
        digest = digests.encoded(digests.of(f"{self._daemon}/{namespace}/{name}".encode()))
        room = _LONGEST - len(os.fsencode(self._folder)) - 1
        if room < 16:
            raise errors.InvalidArgument(f"the path {self._folder} is too long for sockets in it (unix(7))")
        return str(self._folder / digest[:room])


def listen(path: str) -> socket.socket | None:
    """A listening socket that only our user may connect to, or None when somebody listens there already.

    Raises:
        OSError: there is no socket to be had.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before bind, so that there is no moment of other modes
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if answers(path):
                listener.close()
                return None
            os.unlink(path)
            listener.bind(path)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def answers(path: str) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except OSError as error:
            return isinstance(error, TimeoutError | BlockingIOError)
        return True
