"""`boxship save`"""

import os
from typing import BinaryIO

import click

from boxship.cli import offers
from boxship.cli.session import Session


@click.command("save", epilog="Example: boxship save -o app.tar app:1")
@click.option("-o", "--output", "path", type=click.Path(dir_okay=False), help="A file; standard output by default.")
@click.option("--platform", metavar="OS/ARCH[/VARIANT]", help="Which platform; this machine's by default.")
@click.option("--all-platforms", is_flag=True, help="All of them; they must be here.")
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True, shell_complete=offers.images)
@click.pass_obj
def command(
    session: Session, path: str | None, platform: str | None, all_platforms: bool, names: tuple[str, ...]
) -> None:
    """Write images into an archive that `boxship load`, `docker load` and `ctr images import` read."""
    if path is None:
        if session.around.stdout.isatty():
            raise click.UsageError("an archive is nothing for a terminal: name a file with -o, or pipe it on")
        session.client.images.save(names, session.around.stdout.buffer, platform=platform, all_platforms=all_platforms)
        return
    partial = f"{path}.partial"
    try:
        with _made(partial, path) as file:
            session.client.images.save(names, file, platform=platform, all_platforms=all_platforms)
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise


def _made(partial: str, path: str) -> BinaryIO:
    """Opened for writing; what fails is told of the file that was asked for."""
    try:
        return open(partial, "wb")
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, path) from exc
