"""Entry points that the tests of the zygote ask for."""

import json
import os
import signal
import sys
import time


def describe(arguments, fds):
    """Write what the process looks like from inside to the first descriptor."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with open("/proc/self/status", encoding="ascii") as status:
        ignored = next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn"))
    facts = {
        "arguments": arguments,
        "pid": os.getpid(),
        "session": os.getsid(0),
        "umask": os.umask(0),
        "directory": os.getcwd(),
        "environment": dict(os.environ),
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "fds": list(fds),
        "blocked": len(blocked),
        "ignored": ignored,
        "program": os.readlink("/proc/self/exe"),
        "prefix": sys.prefix,
        "path": sys.path,
        "threads": len(os.listdir("/proc/self/task")),
    }
    os.write(fds[0], json.dumps(facts).encode())


def hold(arguments, fds):
    """Tell that it runs, then stay until the descriptor reports the end."""
    os.write(fds[1], b"up")
    os.read(fds[0], 1)
    os.write(fds[1], b"bye")


def parent(arguments, fds):
    """Write the parent's pid once the process in the middle is gone."""
    middle = os.getppid()
    while os.getppid() == middle and middle != 1:
        pass
    os.write(fds[0], str(os.getppid()).encode())


def nothing(arguments, fds):
    """End at once, which closes the descriptors."""


def leave(arguments, fds):
    """End with a status that nobody but init sees."""
    sys.exit(3)


def stand_by(requests):
    """Tell by the descriptor of each request since when there has been somebody for it; a second one ends the work."""
    with open("/proc/self/comm", "w") as comm:
        comm.write("at-once")
    ready = time.monotonic()
    for arguments, fds in requests:
        os.write(fds[0], json.dumps({"pid": os.getpid(), "ready": ready, "arguments": arguments}).encode())
        for fd in fds[1:]:
            os.read(fd, 1)
        for fd in fds:
            os.close(fd)
        if arguments.get("last"):
            return
        ready = time.monotonic()


def at_once(arguments, fds):
    """Somebody for one request."""
    stand_by(iter([(arguments, fds)]))
