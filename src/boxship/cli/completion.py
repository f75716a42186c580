"""`boxship completion`"""

import click
from click import shell_completion

from boxship.cli.session import Session


@click.command("completion", epilog="Example: boxship completion bash > /etc/bash_completion.d/boxship")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    session: Session = ctx.obj
    kind = shell_completion.get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    session.around.print(kind(ctx.find_root().command, {}, "boxship", "_BOXSHIP_COMPLETE").source())
