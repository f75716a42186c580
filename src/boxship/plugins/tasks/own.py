"""Our own shims: forked by the zygote, with the socket that they listen at in their hand."""

import os
import select
import time
from pathlib import Path

from boxship.core import kinds, tasks
from boxship.plugins.tasks import sockets
from boxship.plugins.tasks.bundles import Bundle
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import shims

_ANSWER_LIMIT = 64 * 1024


class OwnLauncher:
    """See `launching.Launcher`. The zygote has the entry points `shim` and `shim-delete`."""

    def __init__(
        self,
        forks: kinds.Forks,
        *,
        sockets: sockets.Sockets,
        grpc: str,
        ttrpc: str,
        runtime_root: Path,
        clean_up_seconds: float,
    ) -> None:
        """Args:

        grpc, ttrpc: the daemon's sockets.
        runtime_root: where foreign OCI runtimes keep their state when the options do not say.
        clean_up_seconds: how long `clean_up` may take.
        """
        self._forks, self._sockets = forks, sockets
        self._seconds = clean_up_seconds
        self._common = {
            "daemon": grpc,
            "ttrpc_address": ttrpc,
            "runtime_root": str(runtime_root),
            "filters": str(runtime_root.with_name("seccomp")),
        }

    def launch(self, bundle: Bundle, options: TypedBytes | None) -> shims.Endpoint:
        path = self._sockets.path(bundle.namespace, bundle.group())
        endpoint = shims.Endpoint(version=shims.NEWEST, address=f"unix://{path}", protocol="ttrpc")
        # Noted first: a daemon that dies between the next two lines leaves no shim that nobody knows.
        bundle.note_endpoint(endpoint)
        listener = sockets.listen(path)
        if listener is None:
            return endpoint
        try:
            with listener:
                self._forks.spawn("shim", {**self._arguments(bundle), "address": path}, [listener.fileno()])
        except (OSError, ValueError) as error:
            os.unlink(path)
            raise errors.Unavailable(f"no process for the shim: {error}") from error
        return endpoint

    def leaving_seconds(self, bundle: Bundle) -> float:
        return 0.0

    def clean_up(self, bundle: Bundle) -> tasks.Exit:
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        with open(ours, "rb", buffering=0) as answer:
            try:
                self._forks.spawn("shim-delete", self._arguments(bundle), [theirs])
            except OSError as error:
                raise errors.Unavailable(f"no process to clean up after the shim: {error}") from error
            finally:
                os.close(theirs)
            return shims.deleted(_read_all(answer.fileno(), self._seconds))

    def _arguments(self, bundle: Bundle) -> dict[str, object]:
        return {**self._common, "namespace": bundle.namespace, "id": bundle.id, "bundle": str(bundle.path)}


def _read_all(fd: int, seconds: float) -> bytes:
    """What comes until the end. Raises DeadlineExceeded; Unknown when it is nothing or too much."""
    deadline = time.monotonic() + seconds
    said = b""
    while len(said) <= _ANSWER_LIMIT:
        if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise errors.DeadlineExceeded(f"cleaning up after the shim took more than {seconds:.0f} seconds")
        data = os.read(fd, 65536)
        if not data:
            break
        said += data
    if not said or len(said) > _ANSWER_LIMIT:
        raise errors.Unknown(f"cleaning up after the shim ended with {len(said)} bytes of answer")
    return said
