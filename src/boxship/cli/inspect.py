"""`boxship inspect`"""

import dataclasses
from typing import Any

import click

from boxship.cli import offers, output
from boxship.cli.session import Session
from boxship.terms import errors


@click.command("inspect")
@click.argument("names", metavar="CONTAINER|IMAGE...", nargs=-1, required=True, shell_complete=offers.both)
@output.json_option
@click.pass_obj
def command(session: Session, names: tuple[str, ...]) -> int:
    """Show all about containers or images, as JSON."""
    found, code = [], 0
    for name in names:
        try:
            found.append(_find(session, name))
        except errors.NotFound:
            session.around.say(f"boxship: there is neither a container nor an image {name!r}")
            code = 1
    output.show_json(session.around, found)
    return code


def _find(session: Session, name: str) -> dict[str, Any]:
    try:
        return _container(session, name)
    except errors.NotFound:
        return _image(session, name)


def _container(session: Session, name: str) -> dict[str, Any]:
    container = session.container(name)
    record, state = container.record, container.status()
    return {
        "kind": "container",
        "id": record.id,
        "image": record.image,
        "runtime": record.runtime.name,
        "snapshotter": record.snapshotter,
        "snapshot_key": record.snapshot_key,
        "labels": dict(record.labels),
        "created_at": output.when(record.created_at),
        "updated_at": output.when(record.updated_at),
        "status": state.status.name.lower(),
        "pid": state.pid,
        "exit_status": state.exit_status,
        "exited_at": output.when(state.exited_at),
        "spec": container.spec(),
    }


def _image(session: Session, name: str) -> dict[str, Any]:
    image = session.client.images.get(name)
    return {
        "kind": "image",
        "name": image.name,
        "target": image.target.to_json(),
        "labels": dict(image.labels),
        "created_at": output.when(image.created_at),
        "updated_at": output.when(image.updated_at),
        "platforms": [str(platform) for platform in session.client.images.platforms(image.name)],
        "manifest": session.client.images.manifest(image.name).to_json(),
        "config": dataclasses.asdict(session.client.images.config(image.name)),
    }
