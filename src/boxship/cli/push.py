"""`boxship push`"""

from typing import Any

import click

from boxship.cli import offers, output, progress, registry_options
from boxship.cli.session import Session


@click.command("push", epilog="Example: boxship push registry.example.com/team/app:1 app:1")
@registry_options.registry_options
@output.format_option
@click.argument("reference", shell_complete=offers.images)
@click.argument("local", default="", shell_complete=offers.images)
@click.pass_obj
def command(session: Session, /, reference: str, local: str, style: str, **options: Any) -> None:
    """Store an image in a registry, under its own name or another."""
    with progress.Display(session.around) as display:
        image = session.client.images.push(
            reference, local, progress=display.report, **registry_options.arguments(**options)
        )
    row = {"name": reference, "digest": image.target.digest}
    output.show_names(session.around, [f"{reference} {image.target.digest}"], [row], style)
