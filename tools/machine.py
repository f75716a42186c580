"""Run in a virtual machine with pure cgroup v2: `./dev machine [--limit SECONDS] [TEST... | -- COMMAND...]`.

Without TEST: the tests that concern control groups, the OCI runtime and the shim, with containers by ctr, and then
`./dev run`. TEST: files and folders for pytest; its options go with either. COMMAND: anything, in the checkout.

The machine is QEMU without acceleration, so it needs nothing of its host, and is slow. What runs there is a copy of
the checkout as it is, changes included; nothing comes back but the output and the exit status, which is 124 when the
time is up and 125 when there was no machine.
"""

import argparse
import compileall
import contextlib
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import image

TESTS = (
    "tests/unit/linux",
    "tests/integration/unified",
    "tests/integration/ocirun",
    "tests/integration/shim",
    "tests/integration/tasks",
    "tests/integration/security",
)
TEST = "./dev test -o faulthandler_timeout=300"
"""What hangs shows where."""

LIMIT = 3600.0  # seconds
EXPIRED = 124  # as timeout(1)
LOST = 125


def script(tests: Sequence[str], command: Sequence[str]) -> str:
    """What the machine's shell runs."""
    if command:
        return f"exec {shlex.join(command)}\n"
    if any((image.ROOT / word.partition("::")[0]).exists() for word in tests):
        return f"exec {TEST} {shlex.join(tests)}\n"
    test = f"{TEST} --durations=10 {shlex.join([*TESTS, *tests])}"
    return f"{test}; status=$?\n./dev run || status=$?\nexit $status\n"


def checkout(commands: str, folder: Path) -> Path:
    """The files of the checkout that git has or would take, and the script, as a disk that is a tar archive."""
    stage = folder / "checkout"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=image.ROOT,
        check=True,
        capture_output=True,
    ).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, names)):
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # removed, and git was not told
            shutil.copy2(image.ROOT / name, stage / name, follow_symlinks=False)
    (stage / "machine-script").write_text(commands)
    if f"{sys.version_info.major}.{sys.version_info.minor}" == image.PYTHON:
        # it would take the machine minutes
        compileall.compile_dir(
            stage / "src", quiet=2, stripdir=str(stage), prependdir=image.HOME, optimize=[0, 2], workers=2
        )
    disk = folder / "disk"
    with tarfile.open(disk, "w") as tar:
        tar.add(stage, ".")
    shutil.rmtree(stage)
    return disk


def qemu(made: image.Image, disk: Path, status: Path, console: Path) -> list[str]:
    words = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none"]
    words += ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"]
    words += ["-kernel", str(made.kernel), "-initrd", str(made.initrd)]
    words += ["-append", "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off cgroup_no_v1=all"]
    words += ["-drive", f"file={made.disk},if=virtio,format=raw,snapshot=on,cache=unsafe"]
    words += ["-drive", f"file={disk},if=virtio,format=raw,readonly=on"]
    words += ["-serial", f"file:{console}", "-device", "virtio-serial-pci"]
    for name, path in (("output", "/proc/self/fd/1"), ("status", status)):
        words += ["-chardev", f"file,id={name},path={path}"]
        words += ["-device", f"virtserialport,chardev={name},name=boxship.{name}"]
    return words


def boot(made: image.Image, commands: str, limit: float) -> int:
    """Show what the machine says; its exit status."""
    with tempfile.TemporaryDirectory(prefix="boxship-machine-", dir="/var/tmp") as path:
        folder = Path(path)
        disk, status, console = checkout(commands, folder), folder / "status", folder / "console"
        began = time.monotonic()
        expired = threading.Event()
        with _running(qemu(made, disk, status, console), folder, limit, expired) as process:
            assert isinstance(process.stdout, io.BufferedReader)
            if process.stdout.readline():  # its first is that it is up
                image.say(f"up after {time.monotonic() - began:.1f} s")
            while piece := process.stdout.read1():
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
        image.say(f"down after {time.monotonic() - began:.1f} s")
        if expired.is_set():
            image.say(f"it did not end within {limit:.0f} s")
            return EXPIRED
        text = status.read_text() if status.exists() else ""
        if not text.strip().isdigit():
            image.say(f"it ended without an exit status; the last words of its console:\n{_end(console)}")
            return LOST
        return int(text)


@contextlib.contextmanager
def _running(
    words: Sequence[str], folder: Path, limit: float, expired: threading.Event
) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU with the parts of its disks that were written in `folder`; killed after `limit` seconds or an interrupt."""
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": str(folder)}
    )

    def expire() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(limit, expire)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        if sys.exc_info()[0] is not None:
            process.kill()
        process.wait()


def _end(console: Path) -> str:
    return console.read_text(errors="replace")[-3000:] if console.exists() else ""


def main(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # as an interrupt: QEMU goes with us
    own, command = _split(arguments)
    parser = argparse.ArgumentParser(prog="./dev machine", description=__doc__)
    parser.add_argument("--limit", type=float, default=LIMIT)
    options, tests = parser.parse_known_args(own)
    try:
        made = image.make()
    except image.NoMachineError as error:
        image.say(str(error))
        return LOST
    return boot(made, script(tests, command), options.limit)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Before and behind `--`."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return list(arguments[:at]), list(arguments[at + 1 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
