"""`boxship tag`"""

import click

from boxship.cli import offers
from boxship.cli.session import Session


@click.command("tag", epilog="Example: boxship tag alpine registry.example.com/team/alpine:1")
@click.argument("source", shell_complete=offers.images)
@click.argument("target")
@click.pass_obj
def command(session: Session, source: str, target: str) -> None:
    """Give an image another name."""
    session.around.print(session.client.images.tag(source, target).name)
