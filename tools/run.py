"""The main job, from nothing: `./dev run [IMAGE [COMMAND...]]`.

Without arguments it makes an image from this machine's own files, serves it from a small registry on a loopback port
and pulls it from there. An engine is started on a private root; the image is pulled, unpacked and run in namespaces
of its own; what it printed, its exit status and the time of each step are shown, and nothing stays behind.
The exit status is the container's.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import boxship
from boxship.cli import failures, progress, world
from boxship.plugins import transfer  # noqa: F401 - so that its import is not counted to the pull
from boxship.testing import machine, registry

SCRIPT = """
echo "Hello from a container."
echo "host name:    $(hostname)"
echo "user:         $(id)"
echo "processes:    $(cd /proc; echo [0-9]*)"
echo "network:      $(ls /sys/class/net | tr '\\n' ' ')"
echo "root folder:  $(ls / | tr '\\n' ' ')"
"""


class Steps:
    """What was done, and how long it took."""

    def __init__(self) -> None:
        self.took: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.took.append((name, time.perf_counter() - began))

    def show(self, around: world.World) -> None:
        around.say("")
        width = max(len(name) for name, _ in self.took)
        for name, seconds in self.took:
            around.say(f"  {name:{width}}{seconds * 1000:9.1f} ms")
        around.say(f"  {'together':{width}}{sum(seconds for _, seconds in self.took) * 1000:9.1f} ms")


def main(arguments: Sequence[str]) -> int:
    around = world.World.real()
    if os.geteuid() != 0:
        around.say("./dev run makes namespaces, mounts and control groups, which needs root: try sudo ./dev run")
        return 1
    steps = Steps()
    folder = tempfile.mkdtemp(prefix="boxship-run-", dir="/var/tmp")
    try:
        with contextlib.ExitStack() as stack:
            image, command = arguments[:1], arguments[1:]
            reference = image[0] if image else _own_image(steps, stack)
            code = _run(around, steps, folder, reference, command or (None if image else ["sh", "-c", SCRIPT]))
    except Exception as exc:
        return failures.tell(exc, around)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    steps.show(around)
    return code


def _own_image(steps: Steps, stack: contextlib.ExitStack) -> str:
    with steps.step("make an image from this machine's files"):
        layer = machine.layer((*machine.COMMANDS, "tr"))
    served = stack.enter_context(registry.Registry())
    served.push_image("demo/hello", "1", [layer], {"Cmd": ["sh"], "Env": ["PATH=/bin"]})
    return f"{served.host}/demo/hello:1"


def _run(around: world.World, steps: Steps, folder: str, reference: str, command: Sequence[str] | None) -> int:
    with contextlib.ExitStack() as stack:
        with steps.step("start the engine on a private root"):
            client = stack.enter_context(boxship.embed(f"{folder}/root", f"{folder}/state"))
        with steps.step(f"pull and unpack {reference}"), progress.Display(around) as display:
            image = client.images.pull(reference, progress=display.report)
        with steps.step("create the container"):
            container = client.containers.create(image.name, command, pull="never", name="hello")
        try:
            with steps.step("start it"):
                process = container.start(stdout=around.output, stderr=around.errors)
            with steps.step("run it to its end"):
                code = process.wait()
                process.close()
        finally:
            with steps.step("remove it"):
                container.remove(force=True)
        around.say(f"\nexit status {code}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
