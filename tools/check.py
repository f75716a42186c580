"""All that can be said of the code without running it, at once: `./dev check`.

Prints one line per check, and what a failed one had to say.
"""

import concurrent.futures
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS = {
    "format": ([BIN / "ruff", "format", "--check", "--quiet", "--diff", "."], "./dev fmt mends it"),
    "lint": ([BIN / "ruff", "check", "--quiet", "."], "./dev fmt mends some of it"),
    "types": ([BIN / "mypy", "--no-error-summary"], ""),
    "layers": ([BIN / "lint-imports"], "see [tool.importlinter] in pyproject.toml"),
    "generated": ([sys.executable, "tools/gen.py", "--check"], "./dev gen mends it"),
    "twins": ([sys.executable, "tools/unasync.py", "--check"], "./dev gen mends it"),
}


def check(name: str) -> bool:
    command, advice = CHECKS[name]
    started = time.monotonic()
    run = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    verdict = "ok" if run.returncode == 0 else f"FAILED {advice}".rstrip()
    said = "" if run.returncode == 0 else run.stdout.rstrip() + "\n"
    print(f"{said}{name:<10} {time.monotonic() - started:5.1f} s  {verdict}", flush=True)
    return run.returncode == 0


def main(names: list[str]) -> int:
    if unknown := set(names) - CHECKS.keys():
        print(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    with concurrent.futures.ThreadPoolExecutor() as pool:
        verdicts = list(pool.map(check, names or CHECKS))
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
