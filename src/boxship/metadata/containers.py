"""Containers as rows. The spec, the options and the extensions are kept byte for byte."""

import base64
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence

from boxship.core import containers
from boxship.metadata import checks, fields, rows
from boxship.terms import errors, identifiers
from boxship.terms.typed import TypedBytes

_ONE = """
SELECT
    id, image, runtime, options_type, options, spec_type, spec, snapshotter, snapshot_key, labels, extensions,
    sandbox_id, created_at, updated_at
FROM containers WHERE namespace = ? AND id = ?"""
_ALL = """
SELECT
    id, image, runtime, options_type, options, spec_type, spec, snapshotter, snapshot_key, labels, extensions,
    sandbox_id, created_at, updated_at
FROM containers WHERE namespace = ? ORDER BY id"""
_MAKE = """
INSERT INTO containers (
    namespace, id, image, runtime, options_type, options, spec_type, spec, snapshotter, snapshot_key, labels, extensions,
    sandbox_id, created_at, updated_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
_CHANGE = """
REPLACE INTO containers (
    namespace, id, image, runtime, options_type, options, spec_type, spec, snapshotter, snapshot_key, labels, extensions,
    sandbox_id, created_at, updated_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SMALL = 64 << 10  # bytes of specs and the like, up to which a container is remembered
_CHANGEABLE = ("labels", "spec", "extensions", "image", "snapshotkey")


class ContainersBook:
    """The containers of one namespace."""

    def __init__(self, table: rows.Rows, namespace: str) -> None:
        self._rows = table
        self._namespace = namespace

    def get(self, id: str) -> containers.Container:
        return self._rows.remembered.get(self._key(id), lambda: self._read(id), _is_small)

    def list(self, filters: Sequence[str] = ()) -> Sequence[containers.Container]:
        wanted = fields.wanted_records(filters)
        ids = fields.named(wanted, "id")
        if ids is None:
            found = self._rows.many(_ALL, (self._namespace,))
        else:
            found = [row for id in ids for row in self._rows.many(_ONE, (self._namespace, id))]
        return [container for container in map(_container, found) if wanted.matches(fields.of_container(container))]

    def create(self, container: containers.Container) -> containers.Container:
        now = self._rows.clock()
        made = dataclasses.replace(
            _checked(container, "create container failed validation"), created_at=now, updated_at=now
        )
        with self._rows.writing() as transaction:
            transaction.use(self._namespace)
            if not transaction.execute(_MAKE, (self._namespace, *_values(made))).rowcount:
                raise errors.AlreadyExists(f"container {checks.quoted(made.id)}")
            runtime = {"name": made.runtime.name, "options": made.runtime.options}
            transaction.announce(
                *(self._namespace, "/containers/create", "containerd.events.ContainerCreate"),
                id=made.id,
                image=made.image,
                runtime=runtime,
            )
        return made

    def update(self, container: containers.Container, paths: Iterable[str] | None = None) -> containers.Container:
        if not container.id:
            raise errors.InvalidArgument("must specify a container id")
        wanted = list(paths or ())
        with self._rows.writing() as transaction:
            row = self._row(transaction, container.id)
            if row is None:
                raise errors.NotFound(f"container {checks.quoted(container.id)}")
            changed = _checked(_masked(_container(row), container, wanted), "update failed validation")
            changed = dataclasses.replace(changed, updated_at=self._rows.clock())
            transaction.execute(_CHANGE, (self._namespace, *_values(changed)))
            transaction.changed.append(self._key(changed.id))
            transaction.announce(
                *(self._namespace, "/containers/update", "containerd.events.ContainerUpdate"),
                id=changed.id,
                image=changed.image,
                labels=dict(changed.labels),
                snapshot_key=changed.snapshot_key,
            )
        return changed

    def delete(self, id: str) -> None:
        with self._rows.writing(frees=True) as transaction:
            sql = "DELETE FROM containers WHERE namespace = ? AND id = ?"
            if not transaction.execute(sql, (self._namespace, id)).rowcount:
                raise errors.NotFound(f"container {checks.quoted(id)}")
            transaction.changed.append(self._key(id))
            transaction.announce(self._namespace, "/containers/delete", "containerd.events.ContainerDelete", id=id)
            transaction.freed = True

    def _key(self, id: str) -> tuple[str, str, str]:
        """Under which it is remembered."""
        return "container", self._namespace, id

    def _read(self, id: str) -> containers.Container:
        row = self._row(self._rows, id)
        if row is None:
            raise errors.NotFound(f"container {checks.quoted(id)} in namespace {checks.quoted(self._namespace)}")
        return _container(row)

    def _row(self, source: rows.Rows | rows.Transaction, id: str) -> rows.Row | None:
        return source.one(_ONE, (self._namespace, id))


def _is_small(container: containers.Container) -> bool:
    """Whether it is worth its memory."""
    parts = (container.spec, container.runtime.options, *container.extensions.values())
    return sum(len(part.value) for part in parts if part is not None) <= _SMALL


def _container(row: rows.Row) -> containers.Container:
    options = None if row[3] is None else TypedBytes(type_url=row[3], value=row[4])
    return containers.Container(
        id=row[0],
        image=row[1],
        runtime=containers.Runtime(name=row[2], options=options),
        spec=TypedBytes(type_url=row[5], value=row[6]),
        snapshotter=row[7],
        snapshot_key=row[8],
        labels=checks.unpacked(row[9]),
        extensions=_unpacked(row[10]),
        sandbox_id=row[11],
        created_at=row[12],
        updated_at=row[13],
    )


def _values(container: containers.Container) -> tuple[object, ...]:
    options, spec = container.runtime.options, container.spec
    assert spec is not None  # checked
    return (
        *(container.id, container.image, container.runtime.name),
        *((options.type_url, options.value) if options else (None, None)),
        *(spec.type_url, spec.value, container.snapshotter, container.snapshot_key),
        *(checks.packed(container.labels), _packed(container.extensions), container.sandbox_id),
        *(container.created_at, container.updated_at),
    )


def _packed(extensions: Mapping[str, TypedBytes]) -> str:
    if not extensions:
        return "{}"
    return json.dumps(
        {key: [each.type_url, base64.b64encode(each.value).decode()] for key, each in extensions.items()},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _unpacked(text: str) -> dict[str, TypedBytes]:
    if text == "{}":
        return {}
    return {
        key: TypedBytes(type_url=type_url, value=base64.b64decode(value))
        for key, (type_url, value) in json.loads(text).items()
    }


def _checked(container: containers.Container, what: str) -> containers.Container:
    """The container without empty labels. Raises InvalidArgument."""
    try:
        try:
            identifiers.validate(container.id)
        except errors.InvalidArgument as exc:
            raise errors.InvalidArgument(f"container.ID: {exc.message}") from exc
        if "" in container.extensions:
            raise errors.InvalidArgument("container.Extension keys must not be zero-length")
        labels = checks.checked("containers.Labels", container.labels)
        if not container.runtime.name:
            raise errors.InvalidArgument("container.Runtime.Name must be set")
        if container.spec is None:
            raise errors.InvalidArgument("container.Spec must be set")
        if container.snapshot_key and not container.snapshotter:
            raise errors.InvalidArgument("container.Snapshotter must be set if container.SnapshotKey is set")
    except errors.InvalidArgument as exc:
        raise errors.InvalidArgument(f"{what}: {exc.message}") from exc
    return dataclasses.replace(container, labels=labels)


def _masked(old: containers.Container, new: containers.Container, paths: Sequence[str]) -> containers.Container:
    if not paths:
        if new.snapshotter != old.snapshotter:
            raise errors.InvalidArgument("container.Snapshotter field is immutable")
        if new.runtime.name != old.runtime.name:
            raise errors.InvalidArgument("container.Runtime.Name field is immutable")
    for path in paths:
        if path not in _CHANGEABLE and not path.startswith(("labels.", "extensions.")):
            raise errors.InvalidArgument(f"cannot update {checks.quoted(path)} field on {checks.quoted(new.id)}")
    wanted = paths or _CHANGEABLE
    labels = old.labels
    if checks.touches(wanted, "labels"):
        labels = checks.updated("update failed validation: containers.Labels", old.labels, new.labels, wanted)
    return dataclasses.replace(
        old,
        labels=labels,
        spec=new.spec if "spec" in wanted else old.spec,
        extensions=_extensions(old.extensions, new.extensions, wanted),
        image=new.image if "image" in wanted else old.image,
        snapshot_key=new.snapshot_key if "snapshotkey" in wanted else old.snapshot_key,
    )


def _extensions(
    old: Mapping[str, TypedBytes], new: Mapping[str, TypedBytes], paths: Sequence[str]
) -> Mapping[str, TypedBytes]:
    """`extensions` replaces all, `extensions.KEY` sets one or, when it is not there, takes it away."""
    result = dict(new if "extensions" in paths else old)
    for path in paths:
        key = path.removeprefix("extensions.")
        if key == path:
            continue
        if key in new:
            result[key] = new[key]
        else:
            result.pop(key, None)
    return result


_: type[containers.Store] = ContainersBook
