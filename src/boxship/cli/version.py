"""`boxship version`"""

import platform

import click

from boxship import __version__
from boxship.cli import output
from boxship.cli.session import Session


@click.command("version")
@output.format_option
@click.pass_obj
def command(session: Session, style: str) -> None:
    """Show versions of client and daemon."""
    daemon = session.client.version()
    found = {
        "client": {"version": __version__, "python": platform.python_version()},
        "daemon": {"version": daemon.version, "revision": daemon.revision, "socket": session.address},
    }
    if style == "json":
        output.show_json(session.around, found)
        return
    for who, facts in found.items():
        session.around.print(f"{who}:")
        for name, value in facts.items():
            if value:
                session.around.print(f"  {name + ':':10}{value}")
