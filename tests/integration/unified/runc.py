"""The original runtime, with bundles of ours; and what the files of a control group say."""

import json
import os
import pathlib
import stat
import subprocess
from typing import Any

from integration.ocirun.conftest import Bundle

from boxship.linux import cgroups

# Not limits: they move processes, or tell of what happened.
_NO_LIMITS = {"cgroup.procs", "cgroup.threads", "cgroup.kill", "memory.reclaim"}


def limits(folder: str) -> dict[str, str]:
    """What is written in every file of a group that takes writing."""
    found: dict[str, str] = {}
    for path in sorted(pathlib.Path(folder).iterdir()):
        takes_writing = path.is_file() and path.stat().st_mode & stat.S_IWUSR
        if takes_writing and path.name not in _NO_LIMITS and path.suffix != ".pressure":
            found[path.name] = path.read_text().strip()
    return found


class Runc:
    """Containers of runc, which are deleted at the end."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._root = bundle.folder / "runc"
        self._ids: list[str] = []

    def __call__(self, *words: str, input: str | None = None, check: bool = True) -> str:
        command = ["runc", "--root", str(self._root), *words]
        with (self._bundle.folder / "said").open("w+b") as said:
            # no pipe: a container that lives on would hold it open
            done = subprocess.run(
                command, cwd=self._bundle.folder, check=False, input=(input or "").encode(), stdout=said, stderr=said,
                timeout=120,
            )  # fmt: skip
            said.seek(0)
            text = said.read().decode()
        assert not check or done.returncode == 0, text
        return text

    def create(self, *args: str) -> str:
        """The id of a container with the bundle's specification; it waits for `start`."""
        id = self._prepare(args)
        self("create", id)
        return id

    def run(self, *args: str) -> str:
        """What such a container writes until its end."""
        return self("run", self._prepare(args), check=False)

    def _prepare(self, args: tuple[str, ...]) -> str:
        id = f"runc-{os.getpid()}-{len(self._ids)}"
        spec: dict[str, Any] = json.loads(json.dumps(self._bundle.spec))
        spec["ociVersion"] = "1.0.2"
        spec["process"]["args"] = list(args)
        spec["linux"]["cgroupsPath"] = f"/boxship-test/{id}"
        (self._bundle.folder / "config.json").write_text(json.dumps(spec))
        self._ids.append(id)
        return id

    def cgroup(self, id: str) -> cgroups.Cgroup:
        return cgroups.of_process(self.pid(id))

    def pid(self, id: str) -> int:
        return int(json.loads(self("state", id))["pid"])

    def close(self) -> None:
        for id in self._ids:
            self("delete", "--force", id, check=False)
