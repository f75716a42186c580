"""Killed in the middle of writing: what was acknowledged is there, what was not is absent or whole."""

import os
import pathlib
import select
import signal
import subprocess
import sys
import time

import pytest

from boxship.terms import digests
from boxship.testing.metadata import open_database

WRITER = """
import pathlib, sys, threading
sys.path.insert(0, sys.argv[2])
from boxship.testing.metadata import open_database
from boxship.testing.images import image
from boxship.testing.containers import container

root, begin = pathlib.Path(sys.argv[1]), int(sys.argv[3])
lock = threading.Lock()

def say(*words):
    with lock:
        sys.stdout.write(" ".join(words) + "\\n")
        sys.stdout.flush()

def work(book, who):
    one = book.namespace("one")
    native = one.snapshotters["native"]
    root = {"containerd.io/gc.root": "now"}
    for number in range(begin, 10**9):
        name = f"{who}-{number}"
        one.images.create(image(name)); say("image", name)
        one.containers.create(container(name)); say("container", name)
        with one.content.writer(name) as writer:
            writer.write(name.encode())
            say("blob", name, writer.commit(0, "", root))
        native.prepare(f"{name}-key"); say("active", f"{name}-key")
        native.commit(name, f"{name}-key", labels=root); say("committed", name, f"{name}-key")
        if number % 3 == 0:
            say("no-image", name); one.images.delete(name)  # from now on both is right
        if number % 7 == 0:
            book.collect()

with open_database(root) as book:
    say("ready")
    threads = [threading.Thread(target=work, args=(book, who), daemon=True) for who in ("p", "q")]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
PATIENCE = 20.0


def run_and_kill(root, begin, lines):
    """Start the writer, let it acknowledge that many lines, kill it; everything it said."""
    source = str(pathlib.Path(__file__).parents[3] / "src")
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(root), source, str(begin)], stdout=subprocess.PIPE)
    said = b""
    try:
        deadline = time.monotonic() + PATIENCE
        while said.count(b"\n") < lines:
            assert select.select([process.stdout], [], [], max(deadline - time.monotonic(), 0))[0], said
            data = os.read(process.stdout.fileno(), 65536)
            assert data, said
            said += data
    finally:
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.stdout.close()
        process.wait()
    return [line.split() for line in (said + rest).decode().split("\n")[:-1]]


@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost(tmp_path):
    expected: dict[str, set[str]] = {"image": set(), "container": set(), "committed": set(), "blob": set()}
    for turn in range(6):
        for kind, *words in run_and_kill(tmp_path, turn * 100_000 + 1, 30 + 37 * turn):
            if kind == "no-image":
                expected["image"].discard(words[0])
            elif kind in expected:
                expected[kind].add(words[0])
        with open_database(tmp_path) as book:
            check(book, expected)
            book.collect()
            check(book, expected)
            whole(book)


def check(book, expected):
    one = book.namespace("one")
    images = {image.name for image in one.images.list()}
    assert expected["image"] <= images
    assert {container.id for container in one.containers.list()} >= expected["container"]
    found = {info.name: info for info in one.snapshotters["native"].walk()}
    assert found.keys() >= expected["committed"]
    assert not {f"{name}-key" for name in expected["committed"]} & found.keys()
    assert all((info.kind.value == "Committed") != name.endswith("-key") for name, info in found.items())
    blobs = {info.digest for info in one.content.walk()}
    assert blobs >= {digests.of(name.encode()) for name in expected["blob"]}


def whole(book):
    """After a collection: every row has its bytes, and nothing is there without a row."""
    one = book.namespace("one")
    assert {info.digest for info in one.content.walk()} == {info.digest for info in book.content.walk()}
    for info in book.content.walk():
        with book.content.reader(descriptor(info)) as reader:
            assert digests.of(reader.read_at(0, info.size)) == info.digest
    backend = {info.name.split("/", 2)[2] for info in book.snapshotters["native"].walk()}
    assert backend == {info.name for info in one.snapshotters["native"].walk()}


def descriptor(info):
    from boxship.terms import oci

    return oci.Descriptor(media_type="x", digest=info.digest, size=info.size)
