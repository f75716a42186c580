"""Files in memory that cannot be changed any more: what a process that enters a container is executed from."""

import fcntl
import os

ALL_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_CHUNK = 1 << 20


def sealed_copy(path: str, name: str) -> int:
    """A sealed memfd (CLOEXEC, mode 0511) with the content of the file at `path`; raises OSError."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        copy = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            while chunk := os.read(source, _CHUNK):
                view = memoryview(chunk)
                while view:
                    view = view[os.write(copy, view) :]
            os.fchmod(copy, 0o511)
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS, ALL_SEALS)
        except BaseException:
            os.close(copy)
            raise
        return copy
    finally:
        os.close(source)


def is_sealed(descriptor: int) -> bool:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & ALL_SEALS == ALL_SEALS
    except OSError:  # EINVAL: no memfd
        return False
