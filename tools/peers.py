"""Build the Go programs that tests hold us against, and print the folder they are in: `./dev peers`.

Go fetches and verifies them (sum.golang.org); they stay in a cache folder outside the checkout. Tests find them by
BOXSHIP_PEERS and do without those that are missing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PEERS = {
    "ctr": "github.com/containerd/containerd/v2/cmd/ctr@v2.3.4",
    "containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2@v2.3.4",
    "h2spec": "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible",
    "grpc-interop-client": "google.golang.org/grpc/interop/client@v1.76.0",
    "grpc-interop-server": "google.golang.org/grpc/interop/server@v1.76.0",
    "containerd": "github.com/containerd/containerd/v2/cmd/containerd@v2.3.4",
}
"""File name in the folder -> what Go builds it from; what takes longest stands last."""


def folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("BOXSHIP_PEERS") or cache / "boxship" / "peers")


def build(go: str, package: str, target: Path) -> None:
    """Raises subprocess.CalledProcessError."""
    with tempfile.TemporaryDirectory(dir=target.parent) as bin:
        subprocess.run(
            [go, "install", "-trimpath", package],
            check=True,
            env=os.environ | {"GOBIN": bin, "GOFLAGS": "", "CGO_ENABLED": "0"},
            stdout=sys.stderr,
        )
        (made,) = Path(bin).iterdir()
        made.rename(target)
    target.with_suffix(".built-from").write_text(package)


def is_built(package: str, target: Path) -> bool:
    note = target.with_suffix(".built-from")
    return target.exists() and note.exists() and note.read_text() == package


def main() -> int:
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    wanted = {name: package for name, package in PEERS.items() if not is_built(package, home / name)}
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if wanted and not go:
        print(f"no Go here, so these are missing: {', '.join(wanted)}", file=sys.stderr)
        wanted = {}
    failed = 0
    for name, package in wanted.items():
        print(f"building {name} from {package}", file=sys.stderr)
        try:
            build(str(go), package, home / name)
        except subprocess.CalledProcessError as error:
            print(f"{name}: go install ended with {error.returncode}", file=sys.stderr)
            failed += 1
    print(home)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
