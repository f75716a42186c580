"""A container does not get at the program that brought it up, nor at anything that this program had open."""

import hashlib
import os
import pathlib
import sys
import threading

import pytest
from integration.security import probing

from boxship.core import mounts
from boxship.terms import errors

pytestmark = [pytest.mark.root, pytest.mark.slow]

EXECS = 60
HUNTER = r"""
import os
seen, opened = set(), []
while not os.path.exists("/hunt/over"):
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        for flags in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
            try:
                path = os.readlink(f"/proc/{name}/exe")
                seen.add(path)
                if path.startswith("/bin/"):
                    continue  # the container's own
                os.close(os.open(f"/proc/{name}/exe", flags))
                opened.append(path)
            except OSError:
                pass
with open("/hunt/found", "w") as file:
    print(len(seen), *opened, sep="\n", file=file)
"""


def own_files():
    """What runs the daemon, its shims and the runtime: the interpreter with all that it has loaded."""
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split(maxsplit=5)[5] for line in lines if "/" in line}
    return sorted({os.path.realpath(sys.executable), *filter(os.path.isfile, mapped)})


def sums():
    return {path: hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for path in own_files()}


@pytest.fixture
def untouched():
    """Fails when a test has changed a file of ours."""
    before = sums()
    yield
    after = sums()
    assert {path: after.get(path) for path in before} == before


@pytest.fixture
def folder(engine, tmp_path):
    return tmp_path


def bind(source, target, *more):
    return mounts.Mount(type="bind", source=str(source), target=target, options=("rbind", *more))


def script(folder, name, text):
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return bind(folder / name, f"/bin/{name}", "ro")


def tried(client, image, args, **options):
    """How a command went as first process and as executed one; not to start is an answer."""
    found = []
    made = client.containers.create(image, ["sleep", "1000"], **options)
    try:
        made.start()
        for attempt in (lambda: client.containers.run(image, args, **options), lambda: made.exec(args)):
            try:
                found.append(attempt())
            except errors.Error as error:
                found.append(str(error))
    finally:
        made.remove(force=True)
    return found


WRITE = "for f in /proc/self/exe /proc/1/exe; do (: >>$f) 2>/dev/null && echo wrote $(readlink $f); done; true"


@pytest.mark.parametrize(
    "args", [["/proc/self/exe"], ["/proc/self/exe", "-c", "print(1)"], ["/proc/1/exe"], ["/there/link"]]
)
def test_the_program_itself(client, image, folder, untouched, args):
    """What it was when the container came up is no more, or it is the container's own."""
    (folder / "link").symlink_to("/proc/self/exe")
    made = tried(client, image, args, mounts=[bind(folder, "/there", "ro")], env=["PYTHONINSPECT=1"])
    for found in made:
        if not isinstance(found, str):
            assert found.output != b"1\n", "our interpreter ran inside"
            assert b"Python" not in found.output + found.errors


KEEP = """
import os, sys
held = os.open("/proc/self/exe", os.O_PATH)
os.set_inheritable(held, True)
print(os.readlink("/proc/self/exe"), flush=True)
script = 'for f in 1 2; do echo x >>/proc/self/fd/$0 && echo wrote; echo x >/proc/self/fd/$0 && echo wrote; done 2>/dev/null'
os.execv("/bin/sh", ["sh", "-c", script, str(held)])
"""


def test_an_image_in_which_the_program_would_run(client, image, untouched):
    """With our loader and libraries inside, it does; but it is a sealed copy, also once it is not busy any more."""
    args = ["/proc/self/exe", "-I", "-S", "-c", KEEP]
    found = [each for each in tried(client, image, args, mounts=probing.mounts()) if not isinstance(each, str)]
    assert [each.output.startswith(b"/memfd:") for each in found] == [True] * len(found)
    assert [each.output.count(b"\n") for each in found] == [1] * len(found), "it was written to"
    assert found, "the program did not run: this proves nothing"


def test_a_script_whose_interpreter_is_the_program_itself(client, image, folder, untouched):
    evil = script(folder, "evil", "#!/proc/self/exe\nprint('ran inside')\n")
    for found in tried(client, image, ["/bin/evil"], mounts=[evil]):
        assert isinstance(found, str) or b"ran inside" not in found.output


def test_a_library_of_the_image_is_not_loaded(client, image, folder, untouched):
    """By LD_PRELOAD, PYTHONPATH and a start-up module that lie where the host's would."""
    planted = "import os\nos.write(2, b'planted')\nopen('/there/marker', 'w').close()\n"
    (folder / "sitecustomize.py").write_text(planted)
    (folder / "encodings").mkdir()
    (folder / "encodings/__init__.py").write_text(planted)
    (folder / "evil.so").write_bytes(b"\x7fELF")
    variables = [
        "LD_PRELOAD=/there/evil.so",
        "LD_LIBRARY_PATH=/there",
        "PYTHONPATH=/there",
        "PYTHONHOME=/there",
        "PYTHONSTARTUP=/there/sitecustomize.py",
    ]
    library = f"{sys.prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}"
    for found in tried(
        client,
        image,
        ["sh", "-c", "echo fine"],
        env=variables,
        mounts=[bind(folder, "/there"), bind(folder, library)],
        cwd="/there",
    ):
        assert (found.exit_status, found.output) == (0, b"fine\n")
        assert b"planted" not in found.errors
    assert not (folder / "marker").exists()


def test_writing_to_what_runs(client, image, untouched):
    for found in tried(client, image, ["sh", "-c", WRITE]):
        assert (found.exit_status, found.output) == (0, b"")


def test_a_hunter_that_waits_for_us(client, image, folder, untouched):
    """While processes are executed in the container, another one tries to write to every /proc/PID/exe there (CVE-2019-5736)."""
    (folder / "hunter.py").write_text(HUNTER)
    shared = [*probing.mounts(), bind(folder, "/hunt")]
    made = client.containers.create(
        image, [*probing.COMMAND[:-1], "/hunt/hunter.py"], mounts=shared, cap_add=["SYS_PTRACE"]
    )
    try:
        made.start()
        for _ in range(EXECS):
            assert made.exec(["true"]).exit_status == 0
        (folder / "over").touch()
        assert made.wait().status == 0
    finally:
        made.remove(force=True)
    count, *opened = (folder / "found").read_text().splitlines()
    assert int(count) > 0, "it has seen no process: the hunt proves nothing"
    assert opened == []


def test_descriptors(client, image):
    """Of the first process and of many executed ones: the three streams, and nothing else."""
    listed = ["sh", "-c", "exec ls /proc/self/fd"]  # ls opens the folder itself
    made = client.containers.create(image, ["sleep", "1000"])
    try:
        assert client.containers.run(image, listed).output.split() == [b"0", b"1", b"2", b"3"]
        made.start()
        found = {tuple(made.exec(listed).output.split()) for _ in range(EXECS)}
        first = os.listdir(f"/proc/{made.status().pid}/fd")
    finally:
        made.remove(force=True)
    assert found == {(b"0", b"1", b"2", b"3")}
    assert sorted(first) == ["0", "1", "2"]


def test_descriptors_when_many_start_at_once(client, image):
    """One start's descriptors do not leak into another's."""
    found = []

    def one():
        found.append(client.containers.run(image, ["sh", "-c", "exec ls /proc/self/fd"]).output.split())

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[b"0", b"1", b"2", b"3"]] * 12


@pytest.fixture(scope="module")
def sleeper(client, image):
    made = client.containers.create(image, ["sleep", "1000"])
    made.start()
    yield made
    made.remove(force=True)


@pytest.mark.parametrize("number", range(3, 21))
def test_a_working_folder_among_our_descriptors(client, image, sleeper, number):
    """CVE-2024-21626: a folder of the host that was open when the container began."""
    for cwd in (f"/proc/self/fd/{number}", f"/proc/thread-self/fd/{number}/.."):
        with pytest.raises(errors.Error):
            client.containers.run(image, ["true"], cwd=cwd)
        with pytest.raises(errors.Error):
            sleeper.exec(["true"], cwd=cwd)


def test_a_working_folder_by_a_link(client, image, folder):
    (folder / "link").symlink_to("/proc/self/fd/7")
    with pytest.raises(errors.Error):
        client.containers.run(image, ["true"], cwd="/there/link", mounts=[bind(folder, "/there", "ro")])
    assert (
        client.containers.run(image, ["pwd"], cwd="/there", mounts=[bind(folder, "/there", "ro")]).output == b"/there\n"
    )
