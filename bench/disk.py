"""A file system for measuring: ext4 in a file in memory, so that the disk's mood stays out of the figures."""

import contextlib
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

SIZE = 8 << 30  # sparse: what is used is what it costs


@contextlib.contextmanager
def in_memory() -> Iterator[pathlib.Path]:
    """A folder on it; unmounted and gone at the end, with all that is mounted below."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bx-bench-", dir="/var/tmp"))
    image = pathlib.Path("/dev/shm") / f"{folder.name}.ext4"
    try:
        with image.open("wb") as file:
            file.truncate(SIZE)
        options = ["-E", "lazy_itable_init=1,lazy_journal_init=1"]
        subprocess.run(["mkfs.ext4", "-q", *options, image], check=True)
        subprocess.run(["mount", "-o", "loop,discard", image, folder], check=True)
        yield folder
    finally:
        for place in reversed(_mounted_below(folder)):
            subprocess.run(["umount", "-l", place], check=False)
        image.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _mounted_below(folder: pathlib.Path) -> list[str]:
    lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return [place for line in lines if (place := line.split()[1]) == str(folder) or place.startswith(f"{folder}/")]
