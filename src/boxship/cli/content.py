"""`boxship content`"""

import re
import time

import click

from boxship.cli import groups, output
from boxship.cli.session import Session
from boxship.core import content
from boxship.terms import digests, errors, oci
from boxship.terms import labels as words

command = groups.group("content", "Blobs, named by digest, and ingests, which become blobs.")

_CHUNK = 1 << 20
_DIGEST = re.compile(r"sha\d+:[0-9a-f]{64,128}", re.ASCII)


@command.command("ls")
@click.option("-q", "--quiet", is_flag=True, help="Only digests.")
@click.argument("filters", nargs=-1)
@output.format_option
@click.pass_obj
def ls(session: Session, quiet: bool, filters: tuple[str, ...], style: str) -> None:
    """List blobs."""
    found = session.client.content.walk(filters)
    if quiet:
        for each in found:
            session.around.print(each.digest)
        return
    plain = style == "json"
    rows = [
        {
            "digest": each.digest,
            "size": each.size if plain else output.size(each.size),
            "created": output.when(each.created_at) if plain else output.ago(each.created_at),
            "labels": dict(each.labels) if plain else output.labels(each.labels),
        }
        for each in found
    ]
    columns = {"digest": "DIGEST", "size": "SIZE", "created": "CREATED", "labels": "LABELS"}
    output.show(session.around, rows, columns, style)


@command.command("active")
@output.format_option
@click.pass_obj
def active(session: Session, style: str) -> None:
    """List ingests on their way."""
    plain = style == "json"
    rows = [
        {
            "ref": each.ref,
            "offset": each.offset if plain else output.size(each.offset),
            "total": each.total if plain else (output.size(each.total) if each.total else "-"),
            "updated": output.when(each.updated_at) if plain else output.ago(each.updated_at),
        }
        for each in session.client.content.list_statuses()
    ]
    columns = {"ref": "REF", "offset": "SIZE", "total": "TOTAL", "updated": "UPDATED"}
    output.show(session.around, rows, columns, style)


@command.command("get")
@click.argument("digest")
@click.pass_obj
def get(session: Session, digest: str) -> None:
    """Write a blob to standard output."""
    descriptor = oci.Descriptor(media_type="", digest=digests.parse(digest), size=0)
    with session.client.content.reader(descriptor) as reader:
        offset = 0
        while data := reader.read_at(offset, _CHUNK):
            session.around.output(data)
            offset += len(data)


@command.command("ingest", epilog="Example: cat layer | decrypt | boxship content ingest layer-1")
@click.option("--expected-size", type=int, default=0, help="Bytes that must come.")
@click.option("--expected-digest", default="", help="The digest that they must have.")
@click.option("--resume", is_flag=True, help="Standard input goes on where an earlier ingest of this name stopped.")
@click.argument("ref")
@click.pass_obj
def ingest(session: Session, expected_size: int, expected_digest: str, resume: bool, ref: str) -> None:
    """Read a blob from standard input and print its digest.

    It stays until `content rm`, also when nothing refers to it; it is well if it is here already.
    """
    kept = {words.GC_ROOT: output.when(time.time_ns()) or ""}
    source = session.around.input
    try:
        with session.client.content.writer(ref, total=expected_size, expected=expected_digest) as writer:
            if writer.status().offset and not resume:
                writer.truncate(0)
            while data := source.read(_CHUNK):
                writer.write(data)
            digest = writer.commit(expected_size, expected_digest, kept)
    except errors.AlreadyExists as exc:
        found = _DIGEST.search(exc.message)
        if found is None:
            raise
        digest = found[0]
        while source.read(_CHUNK):  # whoever writes to us shall not notice
            pass
        info = content.Info(digest=digest, labels=kept)
        session.client.content.update(info, groups.label_paths(kept))
    session.around.print(digest)


@command.command("abort")
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@click.pass_obj
def abort(session: Session, refs: tuple[str, ...]) -> int:
    """Throw ingests away."""
    return groups.each(refs, session.client.content.abort, session)


@command.command("label")
@click.argument("digest")
@click.argument("labels", metavar="KEY=VALUE...", nargs=-1, required=True)
@click.pass_obj
def label(session: Session, digest: str, labels: tuple[str, ...]) -> None:
    """Set labels of a blob; an empty value removes one."""
    wanted = groups.parse_labels(labels)
    info = content.Info(digest=digests.parse(digest), labels=wanted)
    session.client.content.update(info, groups.label_paths(wanted))


@command.command("rm")
@click.argument("names", metavar="DIGEST...", nargs=-1, required=True)
@click.pass_obj
def rm(session: Session, names: tuple[str, ...]) -> int:
    """Remove blobs."""
    return groups.each(names, session.client.content.delete, session)
