"""Images out of this machine's own files, in a small registry that is a process of its own."""

import contextlib
import multiprocessing
import os
import pathlib
from collections.abc import Iterator
from multiprocessing.connection import Connection

from boxship.core import tar, tar_output
from boxship.testing import machine, registry

SMALL, BIG = "bench/small", "bench/big"
LAYERS, FILES, BYTES = 5, 8_000, 250 << 20


@contextlib.contextmanager
def served(folder: pathlib.Path, *, big: bool) -> Iterator[str]:
    """A registry with the images; gives its host and port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(str(folder), big, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.kill()


def _serve(folder: str, big: bool, there: Connection) -> None:
    os.makedirs(folder)
    with registry.Registry(folder) as made:
        config = {"Cmd": ["true"], "Env": ["PATH=/bin"]}
        made.push_image(SMALL, "1", [machine.layer()], config)
        if big:
            made.push_image(BIG, "1", list(layers()), config)
        there.send(made.host)
        with contextlib.suppress(EOFError):
            there.recv()  # until the other side is gone


def layers() -> Iterator[bytes]:
    """Layers of plain files from /usr, packed with gzip."""
    import gzip

    found = _files()
    for number in range(LAYERS):
        parts, total, folders = [], 0, set()
        for path in found[number::LAYERS]:
            parts += _folders_above(path, folders)
            data = pathlib.Path(path).read_bytes()
            entry = tar.Entry(tar.Kind.FILE, path[1:].encode(), size=len(data), mode=0o644)
            parts += [tar_output.header(entry), data, tar_output.padding(len(data))]
            total += len(data)
            if total > BYTES // LAYERS:
                break
        yield gzip.compress(b"".join(parts) + tar_output.END, 3, mtime=0)


def _files() -> list[str]:
    found = []
    for folder, _, names in os.walk("/usr"):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path) and 0 < os.path.getsize(path) < 4 << 20:
                found.append(path)
    return sorted(found)[:: max(1, len(found) // FILES)][:FILES]


def _folders_above(path: str, known: set[str]) -> list[bytes]:
    made = []
    for parent in reversed(pathlib.PurePath(path).parents[:-1]):
        if str(parent) not in known:
            known.add(str(parent))
            made.append(tar_output.header(tar.Entry(tar.Kind.DIRECTORY, f"{parent}/"[1:].encode(), mode=0o755)))
    return made
