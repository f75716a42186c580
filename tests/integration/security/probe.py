"""Runs inside a container and prints, as JSON, what it finds there. Imports nothing of ours; the host's Python runs it.

python -I -S -B probe.py [keyring]
"""

import ctypes
import errno
import json
import os
import resource
import stat
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"),
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
CALLS = {  # x86_64: name -> (number, arguments that do no harm where the call is allowed)
    "acct": (163, 1),
    "add_key": (248, 0, 0, 0, 0, 0),
    "bpf": (321, -1, 0, 0),
    "clock_settime": (227, -1, 0),
    "delete_module": (176, 1, 0),
    "fanotify_init": (300, -1, 0),
    "finit_module": (313, -1, 0, 0),
    "fsconfig": (431, -1, 0, 0, 0, 0),
    "fsmount": (432, -1, 0, 0),
    "fsopen": (430, 1, 0),
    "fspick": (433, -1, 1, 0),
    "get_mempolicy": (239, 0, 0, 0, 0, -1),
    "init_module": (175, 1, 0, 1),
    "ioperm": (173, -1, -1, 0),
    "iopl": (172, 9),
    "io_uring_setup": (425, 0, 0),
    "kcmp": (312, -1, -1, 9, 0, 0),
    "kexec_load": (246, 0, 99, 0, -1),
    "keyctl": (250, -1, 0, 0, 0, 0),
    "mbind": (237, 1, 1, -1, 0, 0, -1),
    "mount": (165, 1, 1, 1, 0, 0),
    "mount_setattr": (442, -1, 1, 0, 0, 0),
    "move_mount": (429, -1, 1, -1, 1, -1),
    "move_pages": (279, -1, 0, 0, 0, 0, -1),
    "open_by_handle_at": (304, -1, 0, 0),
    "open_tree": (428, -1, 1, -1),
    "perf_event_open": (298, 1, -1, -1, -1, -1),
    "personality": (135, 0x0040000),
    "pidfd_getfd": (438, -1, -1, 0),
    "pivot_root": (155, 1, 1),
    "process_madvise": (440, -1, 0, 0, 0, 0),
    "quotactl": (179, -1, 1, 0, 1),
    "reboot": (169, 0, 0, 0, 0),
    "request_key": (249, 0, 0, 0, 0),
    "set_mempolicy": (238, -1, 0, 0),
    "sethostname": (170, 1, -1),
    "setdomainname": (171, 1, -1),
    "setns": (308, -1, 0),
    "settimeofday": (164, 1, 1),
    "socket AF_ALG": (41, 38, 5, 0),
    "socket AF_VSOCK": (41, 40, 1, 0),
    "swapoff": (168, 1),
    "swapon": (167, 1, 0),
    "umount2": (166, 1, -1),
    "unshare": (272, 0x20000),
    "userfaultfd": (323, -1),
    "clone3": (435, 0, 0),
}


def status() -> dict[str, str]:
    wanted = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    with open("/proc/self/status") as file:
        lines = dict(line.rstrip("\n").split(":", 1) for line in file)
    return {name: " ".join(lines[name].split()) for name in wanted}


def descriptors() -> list[int]:
    found = []
    for each in map(int, os.listdir("/proc/self/fd")):
        try:
            os.fstat(each)
            found.append(each)
        except OSError:  # the one that listed
            pass
    return sorted(found)


def mounts() -> dict[str, dict[str, object]]:
    found = {}
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, after = line.rstrip("\n").split(" - ")
            _, _, _, _, target, options, *_ = before.split()
            kind, _, inner = after.split(" ", 2)
            found[target] = {"type": kind, "options": sorted(options.split(",")), "inner": sorted(inner.split(","))}
    return found


def masked(path: str) -> str:
    try:
        if os.path.isdir(path):
            return "full" if os.listdir(path) else "empty"
        with open(path, "rb") as file:
            return "full" if file.read(1) else "empty"
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        return errno.errorcode[error.errno]


def writable(path: str) -> bool:
    """Whether the file system says so at this place; nothing is written."""
    return os.path.exists(path) and not os.statvfs(path).f_flag & os.ST_RDONLY


def call(number: int, *arguments: int) -> str:
    ctypes.set_errno(0)
    result = LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return errno.errorcode[ctypes.get_errno()] if result == -1 else "done"


def devices() -> dict[str, str]:
    found = {}
    for name in sorted(os.listdir("/dev")):
        path = f"/dev/{name}"
        told = os.lstat(path)
        if stat.S_ISLNK(told.st_mode):
            found[name] = f"-> {os.readlink(path)}"
        elif stat.S_ISDIR(told.st_mode):
            found[name] = "folder"
        else:
            kind = "c" if stat.S_ISCHR(told.st_mode) else "b" if stat.S_ISBLK(told.st_mode) else "?"
            found[name] = f"{kind} {os.major(told.st_rdev)}:{os.minor(told.st_rdev)} {stat.S_IMODE(told.st_mode):o}"
    return found


def disk() -> str:
    """Whether the host's disks can be had by making a node for one; it is only opened."""
    path = f"/tmp/disk-{os.getpid()}"
    try:
        os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(7, 0))
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        finally:
            os.unlink(path)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "opened"


def domain_name() -> str:
    try:
        os.close(os.open("/proc/sys/kernel/domainname", os.O_WRONLY))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "opened"


def main() -> None:
    found = {
        "descriptors": descriptors(),
        "status": status(),
        "open files": list(resource.getrlimit(resource.RLIMIT_NOFILE)),
        "mounts": mounts(),
        "masked": {path: masked(path) for path in MASKED},
        "writable": [path for path in READ_ONLY if writable(path)],
        "sysctl": domain_name(),
        "devices": devices(),
        "disk": disk(),
        "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in ("ipc", "mnt", "net", "pid", "uts")},
        "core": list(resource.getrlimit(resource.RLIMIT_CORE)),
        # LC_CTYPE is set by Python itself (PEP 538).
        "variables": sorted(name for name in os.environ if name not in {"HOSTNAME", "HOME", "PATH", "LC_CTYPE"}),
        "keyring": LIBC.syscall(250, 0, -3, 0) if "keyring" in sys.argv else None,
        "calls": {name: call(*words) for name, words in CALLS.items()} if os.uname().machine == "x86_64" else {},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
