"""Foreign shims: programs that speak containerd's runtime v2 protocol, started by their command line.

`BINARY -namespace NS -address GRPC -publish-binary SELF -id ID [-debug] start` in the bundle's folder. Whatever it
writes, to standard output or error, is its answer (containerd core/runtime/v2/binary.go).
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from boxship.core import tasks
from boxship.plugins.tasks import logs
from boxship.plugins.tasks.bundles import Bundle
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import shims

START_SECONDS = 60.0
_LEAVING_SECONDS = 1.0
_ANSWER_LIMIT = 1 << 20


class ForeignLauncher:
    """See `launching.Launcher`, for one binary."""

    def __init__(
        self,
        binary: str,
        *,
        publisher: str,
        grpc: str,
        ttrpc: str,
        sockets: Path,
        environment: Mapping[str, str],
        reader: logs.LogReader,
        legacy: set[str],
        clean_up_seconds: float,
        debug: bool = False,
    ) -> None:
        """Args:

        publisher: the program that the shim may call to publish events.
        legacy: binaries that are known to read the runtime options alone; shared by all launchers.
        """
        self._binary, self._publisher, self._sockets = binary, publisher, sockets
        self._grpc, self._ttrpc = grpc, ttrpc
        self._environment, self._reader, self._legacy = environment, reader, legacy
        self._seconds, self._debug = clean_up_seconds, debug

    def launch(self, bundle: Bundle, options: TypedBytes | None) -> shims.Endpoint:
        self._reader.open(bundle.path / "log")
        bundle.note_binary(self._binary)
        try:
            endpoint = shims.endpoint(self._start(bundle, options))
        except BaseException:
            self._reader.close(bundle.path / "log")
            raise
        bundle.note_endpoint(endpoint)
        return endpoint

    def leaving_seconds(self, bundle: Bundle) -> float:
        return _LEAVING_SECONDS if bundle.group() == bundle.id else 0.0

    def clean_up(self, bundle: Bundle) -> tasks.Exit:
        self._reader.close(bundle.path / "log")
        command = self._command(bundle, "-bundle", str(bundle.path), "delete")
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._seconds,
                check=False,
                cwd=bundle.path,
                env=self._variables(bundle),
                process_group=0,
            )
        except subprocess.TimeoutExpired as error:
            raise errors.DeadlineExceeded(
                f"{self._binary} delete took more than {self._seconds:.0f} seconds"
            ) from error
        except OSError as error:
            raise errors.Unknown(f"{self._binary}: {error}") from error
        if done.returncode:
            raise errors.Unknown(_said(done.stderr, done.returncode))
        return shims.deleted(done.stdout[:_ANSWER_LIMIT])

    def _start(self, bundle: Bundle, options: TypedBytes | None) -> bytes:
        """Shims before 2.3 read the options alone and stumble over anything else; later ones want more."""
        if self._binary not in self._legacy:
            wanted = shims.parameters(
                id=bundle.id,
                namespace=bundle.namespace,
                ttrpc=self._ttrpc,
                grpc=self._grpc,
                binary=self._publisher,
                options=options,
                sockets=str(self._sockets),
                debug=self._debug,
            )
            try:
                return self._run(bundle, wanted)
            except errors.Unknown as first:
                try:
                    said = self._run(bundle, shims.legacy_parameters(options))
                except errors.Unknown:
                    raise first from None
            self._legacy.add(self._binary)
            return said
        return self._run(bundle, shims.legacy_parameters(options))

    def _run(self, bundle: Bundle, stdin: bytes) -> bytes:
        try:
            done = subprocess.run(
                self._command(bundle, "start"),
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=START_SECONDS,
                check=False,
                cwd=bundle.path,
                env=self._variables(bundle),
                process_group=0,
            )
        except subprocess.TimeoutExpired as error:
            raise errors.Unknown(f"{self._binary} start took more than {START_SECONDS:.0f} seconds") from error
        except OSError as error:
            raise errors.Unknown(f"fork/exec {self._binary}: {error.strerror}") from error
        if done.returncode:
            raise errors.Unknown(_said(done.stdout, done.returncode))
        return done.stdout[:_ANSWER_LIMIT]

    def _command(self, bundle: Bundle, *action: str) -> list[str]:
        debug = ["-debug"] if self._debug else []
        return [
            self._binary,
            *("-namespace", bundle.namespace),
            *("-address", self._grpc),
            *("-publish-binary", self._publisher),
            *("-id", bundle.id),
            *debug,
            *action,
        ]

    def _variables(self, bundle: Bundle) -> dict[str, str]:
        return {
            **self._environment,
            "GOMAXPROCS": "2",
            "MAX_SHIM_VERSION": "2",
            "TTRPC_ADDRESS": self._ttrpc,
            "GRPC_ADDRESS": self._grpc,
            "NAMESPACE": bundle.namespace,
        }


def _said(output: bytes, code: int) -> str:
    text = output[:4096].decode("utf-8", "replace").strip()
    how = f"exit status {code}" if code > 0 else f"signal {-code}"
    return f"{text}: {how}" if text else how


def resolve(name: str, *, path: str, beside: Path) -> str:
    """The binary of a runtime: an absolute path, or `io.containerd.runc.v2` → `containerd-shim-runc-v2` on `path`.

    Args:
        name: as the client says it.
        path: folders to search, as in $PATH.
        beside: the folder of the daemon, which is searched last.

    Raises:
        NotFound: there is no such binary.
        InvalidArgument: the name is neither a path nor a runtime's.
    """
    if name.startswith("/"):
        if not os.path.exists(name):
            raise errors.NotFound(f"invalid custom binary path: stat {name}: no such file or directory")
        return name
    parts = name.split(".")
    if "/" in name or len(parts) < 2 or not all(parts[-2:]):
        raise errors.InvalidArgument(
            f"invalid runtime name {name}, correct runtime name should be either format like `io.containerd.runc.v2` "
            "or a full path to the binary"
        )
    binary = f"containerd-shim-{parts[-2]}-{parts[-1]}"
    for folder in [*path.split(":"), str(beside)]:
        found = os.path.join(folder, binary)
        if folder and os.access(found, os.X_OK) and not os.path.isdir(found):
            return found
    raise errors.NotFound(f'runtime "{name}" binary not installed "{binary}": file does not exist')
