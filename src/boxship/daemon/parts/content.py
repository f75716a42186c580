"""io.containerd.content.v1.content"""

from boxship.core import content, kinds
from boxship.plugins.content import store
from boxship.wiring import parts


def _make(_config: None, needs: parts.Needs) -> content.Store:
    folder = needs.one(kinds.PLACES).folder(kinds.CONTENT, "content")
    needs.tell(parts.About(exports={"root": str(folder)}))
    return store.LocalStore(folder)


REGISTRATION = parts.Registration(kind=kinds.CONTENT, name="content", requires=(kinds.PLACES,), make=_make)
