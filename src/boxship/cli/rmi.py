"""`boxship rmi`"""

import click

from boxship.cli import groups, offers
from boxship.cli.session import Session


@click.command("rmi")
@click.option("--sync", is_flag=True, help="Wait until what nobody needs any more is gone.")
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True, shell_complete=offers.images)
@click.pass_obj
def command(session: Session, sync: bool, names: tuple[str, ...]) -> int:
    """Remove images. Containers made from them go on."""

    def remove(name: str) -> None:
        session.around.print(session.client.images.remove(name, sync=sync).name)

    return groups.each(names, remove, session)
