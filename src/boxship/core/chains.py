"""Chain ids name a stack of layers, as diff ids name one (OCI image-spec, config.md#layer-chainid)."""

from collections.abc import Iterable, Sequence

from boxship.terms import digests


def chain_ids(diff_ids: Iterable[str]) -> list[str]:
    """The chain id of each prefix of the layers; the last one names the whole."""
    result: list[str] = []
    for diff_id in diff_ids:
        result.append(digests.of(f"{result[-1]} {diff_id}".encode()) if result else digests.parse(diff_id))
    return result


def chain_id(diff_ids: Sequence[str]) -> str:
    """The chain id of all the layers; empty for none."""
    return chain_ids(diff_ids)[-1] if diff_ids else ""
