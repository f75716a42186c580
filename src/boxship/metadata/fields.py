"""What filters may ask of each noun (containerd core/metadata/adaptors.go). An empty name counts as absent."""

from collections.abc import Sequence

from boxship.core import containers, content, images, leases, snapshots
from boxship.terms import errors, filters
from boxship.terms.labels import Labels


def wanted(texts: Sequence[str]) -> filters.Filter:
    """What a caller's filters let through. Raises InvalidArgument for a bad one."""
    return filters.parse_all(texts)


def wanted_records(texts: Sequence[str]) -> filters.Filter:
    """As `wanted`, for images, containers and leases: there containerd's message says its class twice."""
    try:
        return filters.parse_all(texts)
    except errors.InvalidArgument as exc:
        raise errors.InvalidArgument(str(exc)) from exc


def named(wanted: filters.Filter, field: str) -> list[str] | None:
    """The only names that can match, in order, when every alternative asks for one; None when more can.

    Clients ask for one image or container by a filter all the time: this spares them reading all.
    """
    names: set[str] = set()
    for row in wanted.alternatives:
        found = [each.value for each in row if each.path[0] == field and each.operator is filters.Operator.EQUAL]
        if not found:
            return None
        names.add(found[0])
    return sorted(names)


def of_image(image: images.Image) -> filters.Field:
    def field(path: Sequence[str]) -> str | None:
        match path:
            case ["name", *_]:
                return image.name or None
            case ["target", "digest", *_]:
                return image.target.digest or None
            case ["target", "mediatype", *_]:
                return image.target.media_type or None
            case ["labels", *rest]:
                return _label(image.labels, rest)
            case ["annotations", *rest]:
                return _label(image.target.annotations, rest)
        return None

    return field


def of_container(container: containers.Container) -> filters.Field:
    def field(path: Sequence[str]) -> str | None:
        match path:
            case ["id", *_]:
                return container.id or None
            case ["runtime", "name", *_]:
                return container.runtime.name or None
            case ["image", *_]:
                return container.image or None
            case ["labels", *rest]:
                return _label(container.labels, rest)
        return None

    return field


def of_blob(info: content.Info) -> filters.Field:
    def field(path: Sequence[str]) -> str | None:
        match path:
            case ["digest", *_]:
                return info.digest
            case ["labels", *rest]:
                return _label(info.labels, rest)
        return None

    return field


def of_ingest(status: content.Status) -> filters.Field:
    return lambda path: status.ref if path and path[0] == "ref" else None


def of_lease(lease: leases.Lease) -> filters.Field:
    def field(path: Sequence[str]) -> str | None:
        match path:
            case ["id", *_]:
                return lease.id or None
            case ["labels", *rest]:
                return _label(lease.labels, rest)
        return None

    return field


def of_snapshot(info: snapshots.Info) -> filters.Field:
    def field(path: Sequence[str]) -> str | None:
        match path:
            case ["kind", *_]:
                return None if info.kind is snapshots.Kind.UNKNOWN else info.kind.value.lower()
            case ["name", *_]:
                return info.name
            case ["parent", *_]:
                return info.parent
            case ["labels", *rest]:
                return _label(info.labels, rest)
        return None

    return field


def _label(labels: Labels, path: Sequence[str]) -> str | None:
    return labels.get(".".join(path))
