"""Bundles: a task's folder, where containerd has it, `STATE/NAMESPACE/ID`, and its working folder under the root."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxship.linux import mounts, trees
from boxship.terms import errors, identifiers
from boxship.wire import shims

_FILE_LIMIT = 1 << 20
GROUPS = ("io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id")
"""Annotations that name the group whose tasks share a shim, in the order in which they count."""

BOOTSTRAP, ADDRESS, BINARY = "bootstrap.json", "address", "shim-binary-path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One task's folder. What is in it is kept as containerd keeps it, so that its shims find their way."""

    namespace: str
    id: str
    path: Path

    def note_endpoint(self, endpoint: shims.Endpoint) -> None:
        """Write down where the shim is, for the next daemon."""
        _write(f"{self.path}/{ADDRESS}", endpoint.address.encode())
        self._replace(BOOTSTRAP, endpoint.to_json())

    def endpoint(self) -> shims.Endpoint:
        """Raises NotFound when no shim was noted; Unknown when what was noted makes no sense."""
        for name in (BOOTSTRAP, ADDRESS):
            said = self._read(name)
            if said is not None:
                return shims.endpoint(said)
        raise errors.NotFound(f"no shim was started for bundle {self.id!r}")

    def note_binary(self, path: str) -> None:
        """Write down that a foreign shim runs it."""
        self._replace(BINARY, path)

    def binary(self) -> str:
        """The foreign shim's binary; empty for one of ours."""
        return (self._read(BINARY) or b"").decode("utf-8", "replace")

    def group(self) -> str:
        """Which tasks share a shim with this one: those of the same group; the task's own id without one."""
        try:
            spec = (self.path / "config.json").read_bytes()
            if not _may_have(spec, *GROUPS):
                return self.id
            annotations = json.loads(spec).get("annotations") or {}
            return next((str(annotations[name]) for name in GROUPS if annotations.get(name)), self.id)
        except (OSError, ValueError, AttributeError):
            return self.id

    def is_empty(self) -> bool:
        """Whether nothing was put into it, or it is gone."""
        try:
            return not any(self.path.iterdir())
        except FileNotFoundError:
            return True

    def delete(self) -> None:
        """Unmount its root file system and remove it with the working folder. What is gone is gone. Raises OSError."""
        work = None
        with contextlib.suppress(OSError):
            work = os.readlink(f"{self.path}/work")
        rootfs = f"{self.path}/rootfs"
        _unmount(rootfs)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(rootfs)
        for folder in (str(self.path), work):
            if folder is not None:
                _remove(folder)

    def _read(self, name: str) -> bytes | None:
        try:
            with (self.path / name).open("rb") as file:
                return file.read(_FILE_LIMIT)
        except FileNotFoundError:
            return None

    def _replace(self, name: str, content: str) -> None:
        """So that nobody finds half of it after a crash."""
        new = f"{self.path}/.{name}"
        _write(new, content.encode())
        os.replace(new, f"{self.path}/{name}")


class Bundles:
    """All bundles under one state folder."""

    def __init__(self, root: Path, state: Path) -> None:
        self._root, self._state = root, state

    def make(self, namespace: str, id: str, spec: bytes | None) -> Bundle:
        """A new bundle with `config.json` in it.

        Raises:
            InvalidArgument: the id is no identifier.
            AlreadyExists: there is one.
        """
        try:
            identifiers.validate(id)
        except errors.InvalidArgument as error:
            raise errors.InvalidArgument(f"invalid task id {id}: {error.message}") from error
        bundle = self.at(namespace, id)
        path, work = str(bundle.path), f"{self._root}/{namespace}/{id}"
        try:
            _make(path, 0o700)
        except FileExistsError:
            raise errors.AlreadyExists(f"mkdir {path}: file exists") from None
        try:
            _admit(path, spec)
            _make(f"{path}/rootfs", 0o711)
            try:
                _make(work, 0o711)
            except FileExistsError:
                _remove(work)
                _make(work, 0o711)
            os.symlink(work, f"{path}/work")
            if spec is not None:
                _write(f"{path}/config.json", spec)
        except BaseException:
            bundle.delete()
            raise
        return bundle

    def at(self, namespace: str, id: str) -> Bundle:
        """One that may or may not exist."""
        return Bundle(namespace=namespace, id=id, path=self._state / namespace / id)

    def all(self) -> Iterator[Bundle]:
        """Those on disk. What a deletion left half done is finished on the way."""
        for namespace in _folders(self._state):
            for id in _folders(namespace):
                yield self.at(namespace.name, id.name)

    def sweep_work(self) -> None:
        """Remove working folders whose bundle is gone: after a reboot the state is gone and they are not."""
        for namespace in _folders(self._root):
            for work in _folders(namespace):
                if not self.at(namespace.name, work.name).path.exists():
                    _remove(str(work))


def _make(folder: str, mode: int) -> None:
    """A folder, and those above it where they are missing. Raises FileExistsError."""
    try:
        os.mkdir(folder, mode)
    except FileNotFoundError:
        Path(folder).parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        os.mkdir(folder, mode)
    os.chmod(folder, mode)  # whatever the umask


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def _folders(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    for each in found:
        if each.name.startswith("."):
            with contextlib.suppress(OSError):
                trees.remove_at(each)
    return [each for each in found if not each.name.startswith(".") and each.is_dir()]


def _remove(folder: str) -> None:
    """Under another name first, so that nobody sees half of it."""
    above, _, name = folder.rpartition("/")
    hidden = f"{above}/.{name}"
    try:
        os.rename(folder, hidden)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        trees.remove_at(hidden)
        os.rename(folder, hidden)
    trees.remove_at(hidden)


def _unmount(target: str) -> None:
    try:
        mounts.umount_all(target, mounts.UMOUNT_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Something is mounted below it, or a process still looks at it.
        mounts.umount_all(target, mounts.UMOUNT_NOFOLLOW | mounts.MNT_DETACH)


def _admit(folder: str, spec: bytes | None) -> None:
    """Let the root user of a user namespace pass through the bundle to its root file system."""
    gid = _mapped_root(spec, "gidMappings")
    if gid:
        os.chown(folder, -1, gid)
        os.chmod(folder, 0o710)


def _may_have(spec: bytes, *names: str) -> bool:
    """Whether a JSON text may have one of these names, without parsing it: a letter that is not itself there is written
    as a Unicode escape (RFC 8259, section 7).
    """
    return b"\\u" in spec or any(name.encode() in spec for name in names)


def _mapped_root(spec: bytes | None, field: str) -> int:
    if not spec or not _may_have(spec, field):
        return 0
    try:
        linux: Any = json.loads(spec).get("linux") or {}
        return next((int(each["hostID"]) for each in linux.get(field) or () if int(each["containerID"]) == 0), 0)
    except (ValueError, AttributeError, KeyError, TypeError):
        return 0  # the runtime says what is wrong with it
