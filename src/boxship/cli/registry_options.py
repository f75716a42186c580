"""Options that every command has which talks to a registry."""

import os
import sys
from typing import Any

import click

from boxship.cli import offers

_LONGEST = 4096
_OPTIONS = (
    click.option("--platform", metavar="OS/ARCH[/VARIANT]", help="Which platform of the image."),
    click.option("--plain-http", is_flag=True, help="No TLS; not needed for a registry on this machine."),
    click.option("--insecure", is_flag=True, help="Believe any certificate."),
    click.option("--user", metavar="NAME[:PASSWORD]", help="Instead of what ~/.docker/config.json says."),
    click.option(
        "--hosts-dir", default="", metavar="FOLDER", shell_complete=offers.folders, help="Folder with hosts.toml files."
    ),
)


def registry_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def arguments(user: str | None, **options: Any) -> dict[str, Any]:
    """Keyword arguments for the client; a password that is missing is asked for."""
    name, colon, password = (user or "").partition(":")
    if name and not colon:
        password = click.prompt("Password", hide_input=True, err=True) if _can_ask() else _given()
    return {**options, "username": name, "password": password}


def _can_ask() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _given() -> str:
    """The password as a line of standard input, as a script gives it."""
    line = sys.stdin.readline(_LONGEST).rstrip("\r\n") if sys.stdin else ""
    if not line:
        raise click.UsageError(
            "--user without a password, and no terminal to ask at: write NAME:PASSWORD, or give it on standard input"
        )
    return line
