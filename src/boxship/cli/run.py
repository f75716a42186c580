"""`boxship run`"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import click

from boxship.cli import attached, failures, offers, progress, terminals, values
from boxship.cli.session import Session
from boxship.terms import errors

if TYPE_CHECKING:
    from boxship.client._sync import container as containers
    from boxship.client._sync import processes

_EXAMPLES = """\b
Examples:
  boxship run --rm docker.io/library/alpine echo hello
  boxship run -it --rm alpine sh
  boxship run -d --name web --memory 256m nginx
  boxship run --rm -v .:/src:ro -w /src golang go vet
"""


@click.command("run", context_settings={"allow_interspersed_args": False}, epilog=_EXAMPLES)
@click.option("-d", "--detach", is_flag=True, help="Leave it running and print its name.")
@click.option("--rm", "remove", is_flag=True, help="Remove it when it ends; with -d, too.")
@click.option("-i", "--interactive", is_flag=True, help="Pass standard input on; with -d, keep it open.")
@click.option("-t", "--tty", "terminal", is_flag=True, help="Give it a terminal.")
@click.option("--name", default="", metavar="NAME", help="Its name; one is made up by default.")
@click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Environment.")
@click.option(
    "--env-file", multiple=True, metavar="FILE", shell_complete=offers.files, help="Environment, one entry a line."
)
@click.option(
    "-v",
    "--volume",
    multiple=True,
    metavar="SOURCE:TARGET[:ro]",
    shell_complete=offers.sources,
    help="Show a folder of this machine inside.",
)
@click.option("--mount", multiple=True, metavar="KEY=VALUE,...", help="As type=bind,source=/a,target=/b,readonly.")
@click.option("-w", "--workdir", "cwd", default="", metavar="FOLDER", help="Folder in which the command starts.")
@click.option("-u", "--user", default="", metavar="NAME|UID[:GROUP|GID]", help="Who it runs as.")
@click.option("-m", "--memory", type=values.SIZE, metavar="SIZE", help="Most memory, such as 512m.")
@click.option("--cpus", type=float, metavar="NUMBER", help="Most processors, such as 1.5.")
@click.option("--pids-limit", type=int, metavar="COUNT", help="Most processes; -1 for any number.")
@click.option("--read-only", is_flag=True, help="Nothing in its image can be written.")
@click.option(
    "--network", type=click.Choice(["none", "host"]), default="none", help="One of its own, or this machine's [none]."
)
@click.option("--entrypoint", metavar="PROGRAM", help="Instead of the image's; empty for none.")
@click.option("--hostname", default="", metavar="NAME", help="Its host name; its name by default.")
@click.option("--cap-add", multiple=True, metavar="CAPABILITY", help="Give it a capability, or ALL.")
@click.option("--cap-drop", multiple=True, metavar="CAPABILITY", help="Take a capability from it, or ALL.")
@click.option(
    "--security-opt", multiple=True, metavar="OPTION", help="seccomp=unconfined|FILE, no-new-privileges[=false]"
)
@click.option("--privileged", is_flag=True, help="No walls but namespaces: as good as root outside.")
@click.option("--platform", metavar="OS/ARCH[/VARIANT]", help="Which platform of the image.")
@click.option(
    "--pull",
    type=click.Choice(["missing", "always", "never"]),
    default="missing",
    help="When to fetch the image [missing].",
)
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Hang a label on it.")
@click.option("--restart", callback=values.only_no, metavar="[no]", help="None is started again by itself.")
@click.option(
    "--runtime", default="", metavar="NAME|PATH", help="Runtime, such as io.containerd.runc.v2 or the path of a shim."
)
@click.option("--snapshotter", default="", metavar="NAME", help="Where its files are kept.")
@values.detach_keys
@click.argument("image", shell_complete=offers.images)
@click.argument("arguments", metavar="[COMMAND [ARGUMENT]...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(
    session: Session, /, image: str, arguments: tuple[str, ...], detach: bool, remove: bool, **options: Any
) -> int:
    """Run a command in a new container.

    The exit code is the command's; 125 when the container could not be made, 126 when the command cannot be executed,
    127 when it is not there.
    """
    try:
        return _run(session, image, arguments, detach=detach, remove=remove, **options)
    except (errors.Error, OSError) as exc:
        failures.tell(exc, session.around, debug=session.debug)
        return failures.code(exc)


def _run(
    session: Session,
    image: str,
    arguments: tuple[str, ...],
    *,
    detach: bool,
    remove: bool,
    interactive: bool,
    detach_keys: bytes,
    **options: Any,
) -> int:
    around = session.around
    wishes = _wishes(session, options)
    if not _is_here(session, image, options["platform"], options["pull"]):
        _check(arguments, wishes)
        if options["pull"] == "missing":
            around.say(f"boxship: image {image} is not here, pulling it")
        _fetch(session, image, options["platform"])
    container = session.client.containers.create(image, arguments or None, **wishes)
    if detach:
        with _undone(container):
            container.start(detach=True, keep_input=interactive).close()
        if remove:
            _remove_later(session, container.id)
        around.print(container.id)
        return 0
    terminal = options["terminal"]
    stdin = terminals.keys(around, terminal=terminal, leaving=detach_keys) if interactive else None

    def start(taken: attached.Outputs) -> "processes.Process":
        with _undone(container):
            return container.start(stdin=stdin, stdout=taken.output, stderr=taken.errors)

    status: int | None = failures.OURS
    try:
        status = attached.run(session, start, terminal=terminal, stdin=stdin, told=attached.way_back(container.id))
    finally:
        if remove and status is not None:
            with contextlib.suppress(errors.NotFound):
                session.patiently(lambda client: client.containers.get(container.id).remove(force=True))
    if remove and status is None:
        _remove_later(session, container.id)
    return status or 0


def _remove_later(session: Session, id: str) -> None:
    from boxship.cli import reaper

    reaper.start(session, id)


@contextlib.contextmanager
def _undone(container: "containers.Container") -> Iterator[None]:
    """What could not be started does not stay."""
    try:
        yield
    except BaseException:
        container.remove(force=True)
        raise


def _is_here(session: Session, image: str, platform: str | None, policy: str) -> bool:
    """Whether the image need not, or may not, be fetched."""
    if policy == "missing":
        try:
            session.client.images.manifest(image, platform)
        except errors.NotFound:
            return False
        return True
    return policy == "never"


def _check(arguments: tuple[str, ...], wanted: dict[str, Any]) -> None:
    """Nobody shall wait for an image to be told that a wish cannot be. Raises InvalidArgument."""
    from boxship.client import wishes
    from boxship.terms import oci, platforms

    id = wishes.name(wanted["name"] or "unnamed")
    config = oci.ImageConfig(platform=platforms.default(), diff_ids=())
    wishes.spec("default", id, config, arguments or ["any"], cast("wishes.Options", wanted), None)


def _fetch(session: Session, image: str, platform: str | None) -> None:
    """Have the image here, showing progress."""
    with progress.Display(session.around, interrupted=progress.GOES_ON) as display:
        session.client.images.pull(image, platform=platform, progress=display.report)


def _wishes(session: Session, options: dict[str, Any]) -> dict[str, Any]:
    """The client's words for what was asked for. Raises InvalidArgument."""
    from boxship.client import wishes

    around = session.around
    wanted = {name: value for name, value in options.items() if name not in {"restart", "pull"}}
    env = values.environment(wanted.pop("env"), wanted.pop("env_file"), around.environment)
    mounts = [wishes.volume(values.volume(text)) for text in wanted.pop("volume")]
    mounts += [wishes.mount_of(text) for text in wanted.pop("mount")]
    values.check_sources(mounts)
    entrypoint = wanted.pop("entrypoint")
    if entrypoint is not None:
        wanted["entrypoint"] = [entrypoint] if entrypoint else []
    if wanted["terminal"]:
        wanted["console_size"] = terminals.size(around)
    labels = values.labels(wanted.pop("labels"))
    return {**wanted, "env": env, "mounts": mounts, "labels": labels, "pull": "never"}
