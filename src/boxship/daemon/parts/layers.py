"""io.containerd.differ.v1.walking: layers, applied and compared by processes of their own."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from boxship.core import content, diff, kinds
from boxship.plugins.layers import differ
from boxship.terms import platforms
from boxship.wiring import parts
from boxship.zygote import client

_ENTRY = "layer"
_IDLE = 20.0  # seconds without a layer after which the zygote goes: it takes 10 MB and comes back in 0.1 s


class _Differs:
    """Makes a differ for each store; all share one zygote, which comes with a layer and goes when there are none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._zygote: client.Zygote | None = None
        self._leaving: threading.Timer | None = None

    def __call__(self, store: content.Store) -> diff.Service:
        return differ.LayerDiffer(store, self._spawn)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _spawn(self, arguments: Mapping[str, Any], fds: Sequence[int]) -> int:
        with self._lock:
            if self._leaving is not None:
                self._leaving.cancel()
            if self._zygote is None:
                self._zygote = client.Zygote({_ENTRY: "boxship.plugins.layers.worker:run"})
            pid = self._zygote.spawn(_ENTRY, arguments, fds)
            self._leaving = threading.Timer(_IDLE, self._leave)
            self._leaving.daemon = True
            self._leaving.start()
        return pid

    def _leave(self) -> None:
        with self._lock:
            if self._leaving is threading.current_thread():
                self._drop()

    def _drop(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None


def _make(_config: None, needs: parts.Needs) -> _Differs:
    needs.tell(parts.About(platforms=(str(platforms.default()),)))
    return _Differs()


REGISTRATION = parts.Registration(kind=kinds.DIFFER, name="walking", make=_make)
