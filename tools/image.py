"""Make the disk of a virtual machine: Debian with systemd, a kernel, and the environment that ./dev wants.

All of it lies in a cache folder outside the checkout, under names that tell what it was made of: the system, which
needs the network, and the disk with .venv in it, which changes with the lock files.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = "/srv/boxship"
"""Where the checkout is in the machine."""

SUITE = "bookworm"
PYTHON = "3.11"
PACKAGES = (
    "python3", "python3-venv", "systemd-sysv", "dbus", "kmod", "initramfs-tools", "linux-image-cloud-amd64",
    "busybox-static", "ca-certificates", "containerd", "git", "iproute2", "libseccomp2", "procps", "runc",
)  # fmt: skip
MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "ext4")
SOURCES = ("pyproject.toml", "requirements.lock", "requirements-dev.lock", "tools/link.py")
"""What ./dev makes .venv from."""

NEEDED = {"qemu-system-x86_64": "qemu-system-x86", "debootstrap": "debootstrap", "mkfs.ext4": "e2fsprogs"}
"""Program -> the package that has it."""

# Delegate: systemd leaves the groups below ours alone. No time-out: whoever started the machine has one.
UNIT = f"""[Unit]
Description=What the machine was started for
After=basic.target

[Service]
Type=oneshot
ExecStartPre=/bin/tar -xf /dev/vdb -C {HOME}
ExecStart=/bin/sh {HOME}/tools/machine.sh
ExecStopPost=/sbin/poweroff -ff
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""
# Nobody logs in, nothing is on the network, and nothing runs by the clock.
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "systemd-timesyncd.service", "getty.target", "serial-getty@ttyS0.service", "containerd.service",
    "systemd-random-seed.service", "systemd-update-utmp.service",
)  # fmt: skip


class NoMachineError(Exception):
    """There can be none; the text says why and what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    disk: Path
    kernel: Path
    initrd: Path


def say(text: str) -> None:
    print(f"machine: {text}", file=sys.stderr, flush=True)


def folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "boxship" / "machine"


def make() -> Image:
    """The image for this checkout, from the cache where it is there. Raises NoMachineError."""
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    _install_programs()
    with _alone(home):
        tree = home / f"system-{_key(_recipe())}"
        disk = home / f"disk-{_key(_recipe(), *_environment())}.ext4"
        if not tree.exists():
            _bootstrap(tree)
        if not disk.exists():
            _environ(tree)
            _format(tree, disk)
        for old in home.iterdir():
            if old not in {tree, disk} and old.name != "lock":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    return Image(disk=disk, kernel=_only(tree, "vmlinuz-*"), initrd=_only(tree, "initrd.img-*"))


def _recipe() -> bytes:
    """Whatever changes the system that is made."""
    return repr((SUITE, PACKAGES, MODULES, UNIT, MASKED)).encode()


def _environment() -> list[bytes]:
    return [(ROOT / name).read_bytes() for name in SOURCES]


def _key(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()[:12]


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    with (home / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install_programs() -> None:
    packages = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if not packages:
        return
    words = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoMachineError(f"it needs programs that are missing here; as root on Debian or Ubuntu: {' '.join(words)}")
    say(f"installing {', '.join(packages)}")
    if subprocess.run(words, check=False, stdout=sys.stderr).returncode != 0:
        _do("apt-get", "update", "--quiet")
        _do(*words)


def _bootstrap(tree: Path) -> None:
    if os.geteuid() != 0:
        raise NoMachineError("making its system needs root, once: try sudo ./dev machine")
    say(f"making a system of Debian {SUITE} (a few minutes, once)")
    partial = _fresh(tree.with_suffix(".partial"))
    _do("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(partial))
    (partial / "etc/initramfs-tools/conf.d/machine").write_text("MODULES=list\n")
    (partial / "etc/initramfs-tools/modules").write_text("".join(f"{name}\n" for name in MODULES))
    _do("chroot", str(partial), "update-initramfs", "-u", "-k", "all")
    _do("chroot", str(partial), "apt-get", "clean")
    (partial / "etc/systemd/system/boxship.service").write_text(UNIT)
    _do("chroot", str(partial), "systemctl", "enable", "boxship.service")
    _do("chroot", str(partial), "systemctl", "mask", *MASKED)
    (partial / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 0\n")
    (partial / "etc/hostname").write_text("machine\n")
    (partial / HOME.lstrip("/")).mkdir(parents=True)
    partial.rename(tree)


def _environ(tree: Path) -> None:
    """Let ./dev make .venv in there, from wheels that were fetched out here."""
    say("making .venv for it")
    home = _fresh(tree / HOME.lstrip("/"))
    (home / "tools").mkdir(parents=True)
    for name in ("dev", *SOURCES):
        shutil.copy(ROOT / name, home / name)
    wheels = home / "wheels"
    tags = [f"--platform={name}_x86_64" for name in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")]
    tags += ["--implementation=cp", *(f"--abi={name}" for name in ("cp311", "abi3", "none"))]
    _do(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--require-hashes", "--only-binary=:all:", f"--python-version={PYTHON}", *tags),
        *("--dest", str(wheels), "--requirement", str(home / "requirements-dev.lock")),
    )
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{HOME}/wheels", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    _do("chroot", str(tree), f"{HOME}/dev", "setup", environment=offline)
    shutil.rmtree(wheels)


def _format(tree: Path, disk: Path) -> None:
    say("making its disk")
    partial = disk.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    _do("mkfs.ext4", "-q", "-O", "^has_journal", "-d", str(tree), str(partial), "4G")
    partial.rename(disk)


def _fresh(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    return path


def _only(tree: Path, pattern: str) -> Path:
    (found,) = (tree / "boot").glob(pattern)
    return found


def _do(*words: str, environment: dict[str, str] | None = None) -> None:
    """Raises NoMachineError with the end of what it said."""
    done = subprocess.run(
        words, check=False, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")[-3000:]
        raise NoMachineError(f"{words[0]} ended with {done.returncode}:\n{said}")
