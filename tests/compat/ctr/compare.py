"""The same commands against both daemons, as a table: what is equal, what differs, and why.

    python tests/compat/ctr/compare.py [--ctr CLIENT] [--only WORD] [--verbose]

Equal means: same exit code, same output and same error text once times, pids, sizes on disk and paths are masked.
A difference that is meant is listed with its reason in `steps.py`.
"""

import argparse
import contextlib
import dataclasses
import pathlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import daemons
import images
import steps

MASKS = [
    (re.compile(r"\x1b\[[0-9;]*[A-Za-z]"), ""),
    (
        re.compile(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+ ?(?:Z|[+-][0-9:]{4,5})?(?: UTC| [A-Z]{3,4})?(?: m=[+0-9.]+)?"
        ),
        "<TIME>",
    ),
    (re.compile(r"(?:[0-9]+ (?:seconds?|minutes?)|Less than a second|About a minute)(?: ago)?"), "<AGO>"),
    (re.compile(r"\b[0-9.]+ ?(?:ns|µs|ms|s|m)\b"), "<SPAN>"),
    (re.compile(r"elapsed: [0-9.]+ *<?[A-Za-z]*>?.*"), "<ELAPSED>"),
    (re.compile(r"total: .*"), "<TOTAL>"),
    (re.compile(r"\([0-9.]+ [KMG]?i?B/s\)"), "<SPEED>"),
    (re.compile(r"snapshots/[0-9]+/"), "snapshots/<N>/"),
    (re.compile(r"extract-[0-9]+-[A-Za-z0-9_-]+"), "<EXTRACT>"),
]


def mask(text: str, daemon: daemons.Daemon, step: steps.Step) -> str:
    text = text.replace(str(daemon.home), "<HOME>").replace(daemon.namespace, "<NAMESPACE>")
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    for pattern in step.masks:
        text = re.sub(pattern, "<MASKED>", text)
    lines = [_sort_labels(re.sub(r"[ \t]+", " ", line).strip()) for line in re.split(r"[\r\n]+", text)]
    found = [line for line in lines if line]
    return "\n".join(sorted(found) if step.unordered else found)


def _sort_labels(line: str) -> str:
    """Go prints maps in any order."""
    words = line.split(" ")
    return " ".join(",".join(sorted(word.split(","))) if "," in word and "=" in word else word for word in words)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    step: steps.Step
    ours: daemons.Outcome
    peer: daemons.Outcome
    equal: bool
    excuse: str


def masked(outcome: daemons.Outcome, daemon: daemons.Daemon, step: steps.Step) -> daemons.Outcome:
    return daemons.Outcome(
        code=outcome.code,
        output="" if step.only_code else mask(outcome.output, daemon, step),
        errors="" if step.only_code else mask(outcome.errors, daemon, step),
    )


def compare(step: steps.Step, ours: daemons.Daemon, peer: daemons.Daemon, names: dict[str, str]) -> Result:
    found = []
    for daemon in (peer, ours):
        words = [_fill(word, names, daemon) for word in step.words]
        outcome = daemon.ctr(*words, stdin=step.stdin, shell=_fill(step.shell, names, daemon), timeout=step.timeout)
        found.append(masked(outcome, daemon, step))
    return Result(step=step, ours=found[1], peer=found[0], equal=found[0] == found[1], excuse=steps.excuse(step))


def _fill(text: str, names: dict[str, str], daemon: daemons.Daemon) -> str:
    for name, value in {**names, "HOME": str(daemon.home)}.items():
        text = text.replace(f"@{name}@", value)
    return text


@contextlib.contextmanager
def session(client: str) -> Iterator[Callable[[steps.Step], Result]]:
    """Both daemons up; the function compares one step."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="compat-ctr-", dir="/var/tmp"))
    with daemons.pair(folder, client) as (ours, peer, registry):
        names = images.fill(registry.host)
        yield lambda step: compare(step, ours, peer, names)


def report(results: Sequence[Result], *, verbose: bool) -> None:
    for result in results:
        state = "same" if result.equal else ("listed" if result.excuse else "DIFFERS")
        print(f"{state:8} {result.peer.code:4} {result.step.name}")
        if not result.equal and result.excuse:
            print(f"         {result.excuse}")
        if not result.equal and (verbose or not result.excuse):
            _show("peer", result.peer)
            _show("ours", result.ours)
    same, listed = sum(r.equal for r in results), sum(not r.equal and bool(r.excuse) for r in results)
    print(f"{len(results)} commands: {same} same, {listed} listed with a reason, {len(results) - same - listed} differ")


def _show(who: str, outcome: daemons.Outcome) -> None:
    print(f"    {who}: exit {outcome.code}")
    for name, text in (("out", outcome.output), ("err", outcome.errors)):
        for line in text.splitlines()[:25]:
            print(f"      {name}| {line[:240]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ctr", default=shutil.which("ctr") or "ctr", help="the client")
    parser.add_argument(
        "--only", default="", help="steps whose group or name holds this word (their set-up is run too)"
    )
    parser.add_argument("--verbose", action="store_true", help="show listed differences in full")
    parser.add_argument("--new", action="store_true", help="the client is ctr 2.x: its own list of steps")
    options = parser.parse_args()
    chosen = [
        step for step in steps.all_steps(new=options.new) if options.only in f"{step.group} {step.name}" or step.setup
    ]
    with session(options.ctr) as run:
        results = [run(step) for step in chosen]
    report(results, verbose=options.verbose)
    return any(not result.equal and not result.excuse for result in results)


if __name__ == "__main__":
    sys.exit(main())
