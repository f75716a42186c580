"""Write the lock files from pyproject.toml: requirements.lock (what runs) and requirements-dev.lock (that and the tools).

Both hold every hash of every release they name, so that one file serves all machines and Python versions.
`--upgrade` takes newer releases; without it only what pyproject.toml asks for changes.
"""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.8"
OLDEST_PYTHON = "3.11"


def uv() -> str:
    """uv in an environment of its own; it is no dependency of the project."""
    home = ROOT / ".venv" / "uv"
    program = home / "bin" / "uv"
    if not program.exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", UV], check=True)
    return str(program)


def lock(target: str, *arguments: str) -> None:
    subprocess.run(
        [
            *(uv(), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate"),
            *("--python-version", OLDEST_PYTHON, "--custom-compile-command", "./dev lock"),
            *("--output-file", target, *arguments),
        ],
        cwd=ROOT,
        check=True,
    )


def main(arguments: list[str]) -> int:
    if set(arguments) - {"--upgrade"}:
        print("usage: ./dev lock [--upgrade]", file=sys.stderr)
        return 2
    lock("requirements.lock", "pyproject.toml", *arguments)
    lock(
        "requirements-dev.lock",
        *("pyproject.toml", "--group", "pyproject.toml:dev", "--constraint", "requirements.lock", *arguments),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
