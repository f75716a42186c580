"""Command groups whose members are imported when they are called.

The help of a group shows one line per command from its own table, so that `boxship --help` imports none of them;
a test compares the lines with the commands' own help.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click import shell_completion


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`target` is `module:attribute`; `section` groups commands in the help."""

    target: str
    help: str
    section: str = "Commands"


class LazyGroup(click.Group):
    """Args: entries: the commands by name, in the order of the help."""

    def __init__(self, *, entries: Mapping[str, Entry], **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but a wrong name names the right one."""
        if args and args[0] not in self.entries and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}{self._hint(args[0])}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[shell_completion.CompletionItem]":
        """As click's, but no command is imported for its help."""
        from click import shell_completion

        offers = [
            shell_completion.CompletionItem(name, help=entry.help)
            for name, entry in self.entries.items()
            if name.startswith(incomplete)
        ]
        return [*offers, *click.Command.shell_complete(self, ctx, incomplete)]

    def _hint(self, name: str) -> str:
        import difflib

        from boxship.cli import strangers

        if name in strangers.COMMANDS:
            return f": {strangers.COMMANDS[name]}"
        near = difflib.get_close_matches(name, self.entries, n=3)
        return f". Did you mean {' or '.join(near)}?" if near else ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(entry.section for entry in self.entries.values()):
            with formatter.section(section):
                formatter.write_dl(self._lines(section))

    def _lines(self, section: str) -> Sequence[tuple[str, str]]:
        return [(name, entry.help) for name, entry in self.entries.items() if entry.section == section]
