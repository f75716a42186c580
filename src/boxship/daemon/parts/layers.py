"""io.containerd.differ.v1.walking: layers, applied and compared by processes of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from boxship.core import content, diff, kinds
from boxship.plugins.layers import differ
from boxship.terms import platforms
from boxship.wiring import parts
from boxship.zygote import client

_ENTRY = "layer"


class _Differs:
    """Makes a differ for each store; all share one zygote, which starts with the first layer."""

    def __init__(self) -> None:
        self._zygote = client.Zygote({_ENTRY: "boxship.plugins.layers.worker:run"})

    def __call__(self, store: content.Store) -> diff.Service:
        return differ.LayerDiffer(store, self._spawn)

    def close(self) -> None:
        self._zygote.close()

    def _spawn(self, arguments: Mapping[str, Any], fds: Sequence[int]) -> int:
        return self._zygote.spawn(_ENTRY, arguments, fds)


def _make(_config: None, needs: parts.Needs) -> _Differs:
    needs.tell(parts.About(platforms=(str(platforms.default()),)))
    return _Differs()


REGISTRATION = parts.Registration(kind=kinds.DIFFER, name="walking", make=_make)
