"""`boxship rm`"""

import click

from boxship.cli import groups, offers
from boxship.cli.session import Session


@click.command("rm")
@click.option("-f", "--force", is_flag=True, help="Kill it first when it runs.")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True, shell_complete=offers.containers)
@click.pass_obj
def command(session: Session, force: bool, names: tuple[str, ...]) -> int:
    """Remove containers, with their files and logs."""

    def remove(name: str) -> None:
        session.container(name).remove(force=force)
        session.around.print(name)

    return groups.each(names, remove, session)
