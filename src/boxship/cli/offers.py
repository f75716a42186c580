"""What the shell offers when somebody completes a name: containers and images that are there. It starts no daemon."""

import contextlib
import signal
from collections.abc import Callable, Iterator

import click
from click import shell_completion

from boxship.cli import session, world


def containers(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return _offered(ctx, incomplete, _containers)


def running(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return _offered(ctx, incomplete, _running)


def images(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return _offered(ctx, incomplete, _images)


def both(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return _offered(ctx, incomplete, _both)


def files(_: click.Context, __: click.Parameter, ___: str) -> list[shell_completion.CompletionItem]:
    """Of this machine: the shell knows them."""
    return [shell_completion.CompletionItem("", type="file")]


def sources(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[shell_completion.CompletionItem]:
    """The first half of `SOURCE:TARGET`; the other is inside the image."""
    return [] if ":" in incomplete else files(ctx, parameter, incomplete)


def folders(_: click.Context, __: click.Parameter, ___: str) -> list[shell_completion.CompletionItem]:
    return [shell_completion.CompletionItem("", type="dir")]


def signals(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [each.name for each in signal.Signals if each.name.startswith(incomplete.upper())]


def image(name: str) -> str:
    """As people call it: without the registry that everybody means."""
    return name.removeprefix("docker.io/library/").removeprefix("docker.io/")


def _containers(calls: session.Session) -> Iterator[str]:
    yield from (each.id for each in calls.client.containers.list(all=True))


def _running(calls: session.Session) -> Iterator[str]:
    yield from (each.id for each in calls.client.containers.list(all=False))


def _images(calls: session.Session) -> Iterator[str]:
    yield from (image(each.name) for each in calls.client.images.list())


def _both(calls: session.Session) -> Iterator[str]:
    yield from _containers(calls)
    yield from _images(calls)


def _offered(ctx: click.Context, start: str, ask: Callable[[session.Session], Iterator[str]]) -> list[str]:
    from boxship.terms import errors

    root = ctx.find_root()
    if not isinstance(root.obj, world.World):
        return []
    told = root.params
    calls = session.Session(root.obj, address=told.get("address"), namespace=told.get("namespace"), starts=False)
    said = {name for words in ctx.params.values() if isinstance(words, tuple) for name in words}
    with contextlib.suppress(errors.Error), contextlib.closing(calls):
        return [name for name in ask(calls) if name.startswith(start) and name not in said]
    return []
