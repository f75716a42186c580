"""Every command can be asked for its help, and says of itself what the overview says."""

import importlib.util

import click
import pytest

from boxship.cli import main

ENTRIES = main.group.entries


def command(name):
    module = ENTRIES[name].target.partition(":")[0]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not written yet")
    return main.group.get_command(click.Context(main.group), name)


def helps(found, context):
    """The help texts of a command and of all that is below it."""
    yield found.get_help(context)
    if isinstance(found, click.Group):
        for name in found.list_commands(context):
            below = found.get_command(context, name)
            yield from helps(below, click.Context(below, parent=context, info_name=name))


@pytest.mark.parametrize("name", ENTRIES)
def test_help_loads(name):
    found = command(name)
    for text in helps(found, click.Context(found, info_name=name)):
        assert text.startswith("Usage: ")


@pytest.mark.parametrize("name", ENTRIES)
def test_the_overview_says_what_the_command_says(name):
    assert command(name).get_short_help_str(limit=200) == ENTRIES[name].help
