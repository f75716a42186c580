"""`boxship push`"""

from typing import Any

import click

from boxship.cli import offers, progress, registry_options
from boxship.cli.session import Session


@click.command("push", epilog="Example: boxship push registry.example.com/team/app:1 app:1")
@registry_options.registry_options
@click.argument("reference", shell_complete=offers.images)
@click.argument("local", default="", shell_complete=offers.images)
@click.pass_obj
def command(session: Session, /, reference: str, local: str, **options: Any) -> None:
    """Store an image in a registry, under its own name or another."""
    with progress.Display(session.around) as display:
        image = session.client.images.push(
            reference, local, progress=display.report, **registry_options.arguments(**options)
        )
    session.around.print(f"{reference} {image.target.digest}")
