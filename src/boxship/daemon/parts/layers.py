"""io.containerd.differ.v1.walking: layers, applied and compared by processes of their own."""

from collections.abc import Callable
from functools import partial

from boxship.core import content, diff, kinds
from boxship.plugins.layers import differ
from boxship.terms import platforms
from boxship.wiring import parts

_ENTRY = "layer"


def _make(_config: None, needs: parts.Needs) -> Callable[[content.Store], diff.Service]:
    needs.tell(parts.About(platforms=(str(platforms.default()),)))
    return partial(differ.LayerDiffer, spawn=partial(needs.one(kinds.FORKS).spawn, _ENTRY))


REGISTRATION = parts.Registration(kind=kinds.DIFFER, name="walking", requires=(kinds.FORKS,), make=_make)
