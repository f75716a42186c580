"""The interpreter as a sealed copy in memory.

A template and all its children run from it: a container that finds a way to `/proc/PID/exe` of the process that made
it finds bytes that nobody can change, not the host's interpreter (CVE-2019-5736).
"""

import fcntl
import os

_MFD_EXEC = 0x10  # Linux 6.3; wanted where vm.memfd_noexec is set, see memfd_create(2)
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed_copy(path: str) -> int:
    """A descriptor of a copy of the program at `path` that can be executed and never changed.

    Raises:
        OSError: the program cannot be read, or the kernel gives no such memory.
    """
    copy = _memory(os.path.basename(path))
    try:
        with open(path, "rb") as program:
            left = os.fstat(program.fileno()).st_size
            while left and (sent := os.sendfile(copy, program.fileno(), None, left)):
                left -= sent
        os.fchmod(copy, 0o511)
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(copy)
        raise
    return copy


def _memory(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_EXEC)
    except OSError:  # EINVAL before Linux 6.3
        return os.memfd_create(name, flags)


def library_directories() -> list[str]:
    """Where this process found its libpython, if it has one.

    A copy in memory has no folder, so the dynamic linker cannot find a library that the program names relative to
    itself ($ORIGIN, see ld.so(8)).
    """
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        paths = {fields[5].rstrip("\n") for line in maps if len(fields := line.split(None, 5)) > 5}
    return sorted({os.path.dirname(path) for path in paths if os.path.basename(path).startswith("libpython")})
