"""`boxship completion`"""

import click

from boxship.cli import shells
from boxship.cli.session import Session

_EXAMPLES = """\b
Examples:
  bash: boxship completion bash > /etc/bash_completion.d/boxship
  zsh:  boxship completion zsh > /usr/local/share/zsh/site-functions/_boxship
  fish: boxship completion fish > /etc/fish/completions/boxship.fish
  for this shell only: source <(boxship completion bash)
"""


@click.command("completion", epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(list(shells.SCRIPTS)))
@click.pass_obj
def command(session: Session, shell: str) -> None:
    """Print the completion script for a shell."""
    session.around.print(shells.SCRIPTS[shell].rstrip())
