"""`boxship images`"""

import re

import click

from boxship.cli import offers, output
from boxship.cli.session import Session
from boxship.core import images
from boxship.terms import errors

_OPERATOR = re.compile(r"==|!=|~=")


@click.command("images")
@click.option("-q", "--quiet", is_flag=True, help="Only names.")
@click.argument("filters", metavar="[NAME|FILTER]...", nargs=-1, shell_complete=offers.images)
@output.format_option
@click.pass_obj
def command(session: Session, quiet: bool, filters: tuple[str, ...], style: str) -> None:
    """List images."""
    names = [text for text in filters if not _OPERATOR.search(text)]
    found = session.client.images.list([text for text in filters if text not in names])
    if names:
        found = [each for each in found if any(_is_called(each, name) for name in names)]
    if quiet:
        for each in found:
            session.around.print(each.name)
        return
    rows = [_row(session, each, plain=style == "json") for each in found]
    columns = {"name": "NAME", "digest": "DIGEST", "platforms": "PLATFORMS", "size": "SIZE", "created": "UPDATED"}
    output.show(session.around, rows, columns, style)


def _is_called(image: images.Image, name: str) -> bool:
    """Whether a person would call it so: in full, or without registry or tag."""
    return any(
        full == name or full.startswith((f"{name}:", f"{name}@")) for full in (image.name, offers.image(image.name))
    )


def _row(session: Session, image: images.Image, *, plain: bool) -> output.Row:
    try:
        size: int | None = session.client.images.size(image.name)
        platforms = [str(platform) for platform in session.client.images.platforms(image.name)]
    except errors.Error:  # an image whose documents are missing or broken is listed all the same
        size, platforms = None, []
    if plain:
        return {
            "name": image.name,
            "digest": image.target.digest,
            "media_type": image.target.media_type,
            "platforms": platforms,
            "size": size,
            "updated": output.when(image.updated_at),
            "labels": dict(image.labels),
        }
    return {
        "name": offers.image(image.name),
        "digest": image.target.digest[7:19],
        "platforms": ",".join(platforms),
        "size": output.size(size),
        "created": output.ago(image.updated_at),
    }
