"""`boxship logs`"""

import contextlib

import click

from boxship.cli import offers, terminals
from boxship.cli.session import Session


@click.command("logs", epilog="Example: boxship logs -f --tail 20 web")
@click.option("-f", "--follow", is_flag=True, help="Go on until it ends.")
@click.option("-n", "--tail", type=click.IntRange(min=0), metavar="LINES", help="Only the last lines.")
@click.argument("container", shell_complete=offers.containers)
@click.pass_obj
def command(session: Session, follow: bool, tail: int | None, container: str) -> None:
    """Show what a detached container has written."""
    found = session.container(container)
    with terminals.leaving(session.around) if follow else contextlib.nullcontext():
        for piece in found.logs(follow=follow, tail=tail):
            session.around.output(piece)
