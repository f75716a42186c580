"""`boxship`: the group of all commands, and the end of every call: an exit code and, on failure, one clear message."""

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from boxship import __version__
from boxship.cli import lazy, world

_CONTAINERS, _IMAGES, _SYSTEM, _LOW = "Containers", "Images", "System", "Low level (as in ctr)"

ENTRIES = {
    "run": lazy.Entry(target="boxship.cli.run:command", help="Run a command in a new container.", section=_CONTAINERS),
    "ps": lazy.Entry(target="boxship.cli.ps:command", help="List containers.", section=_CONTAINERS),
    "exec": lazy.Entry(
        target="boxship.cli.exec:command", help="Run another command in a running container.", section=_CONTAINERS
    ),
    "logs": lazy.Entry(
        target="boxship.cli.logs:command", help="Show what a detached container has written.", section=_CONTAINERS
    ),
    "start": lazy.Entry(target="boxship.cli.start:command", help="Start stopped containers.", section=_CONTAINERS),
    "attach": lazy.Entry(
        target="boxship.cli.attach:command",
        help="Watch a running container, and type into it.",
        section=_CONTAINERS,
    ),
    "stop": lazy.Entry(
        target="boxship.cli.stop:command",
        help="Stop containers: first with the image's stop signal, then by force.",
        section=_CONTAINERS,
    ),
    "kill": lazy.Entry(target="boxship.cli.kill:command", help="Send containers a signal.", section=_CONTAINERS),
    "rm": lazy.Entry(
        target="boxship.cli.rm:command", help="Remove containers, with their files and logs.", section=_CONTAINERS
    ),
    "wait": lazy.Entry(
        target="boxship.cli.wait:command",
        help="Wait until containers end; print their exit statuses.",
        section=_CONTAINERS,
    ),
    "inspect": lazy.Entry(
        target="boxship.cli.inspect:command", help="Show all about containers or images, as JSON.", section=_CONTAINERS
    ),
    "stats": lazy.Entry(
        target="boxship.cli.stats:command",
        help="Show what containers use; all that run by default.",
        section=_CONTAINERS,
    ),
    "pull": lazy.Entry(target="boxship.cli.pull:command", help="Fetch an image from a registry.", section=_IMAGES),
    "push": lazy.Entry(
        target="boxship.cli.push:command",
        help="Store an image in a registry, under its own name or another.",
        section=_IMAGES,
    ),
    "images": lazy.Entry(target="boxship.cli.images:command", help="List images.", section=_IMAGES),
    "rmi": lazy.Entry(target="boxship.cli.rmi:command", help="Remove images.", section=_IMAGES),
    "tag": lazy.Entry(target="boxship.cli.tag:command", help="Give an image another name.", section=_IMAGES),
    "load": lazy.Entry(
        target="boxship.cli.load:command",
        help="Read images from an OCI or Docker archive, packed or not.",
        section=_IMAGES,
    ),
    "save": lazy.Entry(
        target="boxship.cli.save:command",
        help="Write images into an archive that `boxship load`, `docker load` and `ctr images import` read.",
        section=_IMAGES,
    ),
    "events": lazy.Entry(
        target="boxship.cli.events:command",
        help="Watch what happens, in all namespaces, until interrupted.",
        section=_SYSTEM,
    ),
    "info": lazy.Entry(target="boxship.cli.info:command", help="Show the daemon and this machine.", section=_SYSTEM),
    "version": lazy.Entry(
        target="boxship.cli.version:command", help="Show versions of client and daemon.", section=_SYSTEM
    ),
    "daemon": lazy.Entry(target="boxship.cli.daemon:command", help="Run, start or stop the daemon.", section=_SYSTEM),
    "completion": lazy.Entry(
        target="boxship.cli.completion:command", help="Print the completion script for a shell.", section=_SYSTEM
    ),
    "content": lazy.Entry(
        target="boxship.cli.content:command",
        help="Blobs, named by digest, and ingests, which become blobs.",
        section=_LOW,
    ),
    "snapshots": lazy.Entry(
        target="boxship.cli.snapshots:command",
        help="File systems that build on each other: what images are unpacked into.",
        section=_LOW,
    ),
    "containers": lazy.Entry(
        target="boxship.cli.containers:command", help="Records of containers: what shall run.", section=_LOW
    ),
    "tasks": lazy.Entry(target="boxship.cli.tasks:command", help="Running sides of containers.", section=_LOW),
    "leases": lazy.Entry(
        target="boxship.cli.leases:command",
        help="What holds things from collection that nothing else refers to yet.",
        section=_LOW,
    ),
    "namespaces": lazy.Entry(
        target="boxship.cli.namespaces:command",
        help="Who keeps what apart: containers and images of one name are unseen by another.",
        section=_LOW,
    ),
    "plugins": lazy.Entry(
        target="boxship.cli.plugins:command", help="Parts of the daemon, and why one is missing.", section=_LOW
    ),
}


@click.group(
    cls=lazy.LazyGroup,
    entries=ENTRIES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example: boxship run --rm docker.io/library/alpine echo hello",
)
@click.option("-a", "--address", metavar="SOCKET", help="The daemon's socket [BOXSHIP_ADDRESS, CONTAINERD_ADDRESS].")
@click.option(
    "-n", "--namespace", metavar="NAME", help="Where things are kept [BOXSHIP_NAMESPACE, CONTAINERD_NAMESPACE]."
)
@click.option("--debug", is_flag=True, help="Show where an error came from.")
@click.version_option(__version__, message="boxship %(version)s")
@click.pass_context
def group(ctx: click.Context, address: str | None, namespace: str | None, debug: bool) -> None:
    """Run containers and keep their images.

    If no daemon listens, the first command starts one.
    """
    from boxship.cli import session

    ctx.obj = session.Session(ctx.obj, address=address, namespace=namespace, debug=debug)
    ctx.call_on_close(ctx.obj.close)


_COMPLETES = "_BOXSHIP_COMPLETE"
"""Set by a completion script, with the name of its shell."""


def run(arguments: Sequence[str], around: world.World) -> int:
    """One call of the command; returns its exit code."""
    if shell := around.environment.get(_COMPLETES):
        from boxship.cli import shells

        return shells.answer(group, shell, arguments, around)
    try:
        with contextlib.redirect_stdout(around.stdout), contextlib.redirect_stderr(around.stderr):
            result = group.main(list(arguments), prog_name="boxship", standalone_mode=False, obj=around)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except click.exceptions.NoArgsIsHelpError as exc:
        around.say(exc.format_message())
        return exc.exit_code
    except click.UsageError as exc:
        return _misused(exc, around, arguments)
    except click.ClickException as exc:
        around.say(f"boxship: {exc.format_message()}")
        return exc.exit_code
    except BrokenPipeError:
        return 0
    except Exception as exc:
        from boxship.cli import failures

        return failures.tell(exc, around, debug="--debug" in arguments)
    return result if isinstance(result, int) else 0


def _misused(exc: click.UsageError, around: world.World, arguments: Sequence[str]) -> int:
    from boxship.cli import strangers

    called = next((word for word in arguments if word in ENTRIES), "")
    path = (
        exc.ctx.command_path if exc.ctx else f"boxship {called}".rstrip()
    )  # an option without its value has no context
    text = " ".join(exc.format_message().split()).rstrip(".")
    if isinstance(exc, click.NoSuchOption) and exc.option_name in strangers.OPTIONS:
        text = f"no such option {exc.option_name!r}: {strangers.OPTIONS[exc.option_name]}"
    around.say(f"{path}: {text[:1].lower()}{text[1:]}")
    around.say(f"  `{path} --help` shows what it takes")
    return _EXIT_CODE_IS_THE_CONTAINERS.get(path, exc.exit_code)


_EXIT_CODE_IS_THE_CONTAINERS = {"boxship run": 125, "boxship exec": 125, "boxship attach": 125}
"""A usage error must not look like a container that ended with 2."""


def main() -> NoReturn:
    """The console script. It leaves without the interpreter's farewell, which would cost a tenth of a short command."""
    gc.set_threshold(100_000)  # nothing that a start-up makes is garbage
    around = world.World.real()
    code = run(sys.argv[1:], around)
    try:
        around.stdout.flush()
        around.stderr.flush()
    except BrokenPipeError:
        pass
    except OSError as exc:
        around.say(f"boxship: standard output: {exc.strerror}")
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
