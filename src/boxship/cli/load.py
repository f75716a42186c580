"""`boxship load`"""

import contextlib
from typing import Any

import click

from boxship.cli import failures, output, progress
from boxship.cli.session import Session
from boxship.terms import errors


@click.command("load", epilog="Example: docker save app:1 | boxship load")
@click.option(
    "-i", "--input", "path", type=click.Path(exists=True, dir_okay=False), help="A file; standard input by default."
)
@click.option("--base-name", default="", help="Name for images of which the archive knows a tag only.")
@click.option("--platform", metavar="OS/ARCH[/VARIANT]", help="Only this platform.")
@click.option("--no-unpack", is_flag=True, help="Leave the layers packed.")
@output.format_option
@click.pass_obj
def command(
    session: Session, path: str | None, base_name: str, platform: str | None, no_unpack: bool, style: str
) -> int:
    """Read images from an OCI or Docker archive, packed or not."""
    if path is None and session.around.stdin.isatty():
        raise click.UsageError("nobody types an archive: name a file with -i, or pipe one in")
    source: Any = open(path, "rb") if path else contextlib.nullcontext(session.around.input)  # noqa: SIM115 - closed by with
    try:
        with source as file, progress.Display(session.around) as display:
            found = session.client.images.load(
                file,
                base_name=base_name,
                platform=platform,
                all_platforms=platform is None,
                unpack=not no_unpack,
                progress=display.report,
            )
    except errors.InvalidArgument as exc:
        return failures.tell(exc, session.around, debug=session.debug, about=path or "standard input")
    rows = [{"name": image.name, "digest": image.target.digest} for image in found]
    output.show_names(session.around, [image.name for image in found], rows, style)
    return 0
