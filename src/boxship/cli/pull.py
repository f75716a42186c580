"""`boxship pull`"""

from typing import Any

import click

from boxship.cli import output, progress, registry_options
from boxship.cli.session import Session


@click.command("pull", epilog="Example: boxship pull docker.io/library/alpine:3.20")
@click.option("--all-platforms", is_flag=True, help="Everything; only this machine's platform is unpacked.")
@click.option("--no-unpack", is_flag=True, help="Leave the layers packed.")
@click.option("--snapshotter", default="", help="Where to unpack.")
@registry_options.registry_options
@output.format_option
@click.argument("reference")
@click.pass_obj
def command(
    session: Session,
    /,
    reference: str,
    all_platforms: bool,
    no_unpack: bool,
    snapshotter: str,
    style: str,
    **options: Any,
) -> None:
    """Fetch an image from a registry. A pull that failed goes on where it stopped."""
    with progress.Display(session.around, interrupted=progress.GOES_ON) as display:
        image = session.client.images.pull(
            reference,
            all_platforms=all_platforms,
            unpack=not no_unpack,
            snapshotter=snapshotter,
            progress=display.report,
            **registry_options.arguments(**options),
        )
    row = {"name": image.name, "digest": image.target.digest}
    output.show_names(session.around, [f"{image.name} {image.target.digest}"], [row], style)
