"""The same commands against both daemons, as a table: what is equal, what differs, and why.

    python tests/compat/ctr/compare.py [--new] [--only GROUP] [--verbose]

Without --new the client is Debian's ctr 1.6.20, and boxshipd stands beside the containerd 1.6.20 that it belongs to:
every sub-command. With --new the client is ctr 2.3.4, and boxshipd stands beside containerd 2.3.4; both are looked for
in $BOXSHIP_PEERS. So each client meets boxshipd and the daemon of its own age.

Equal means: same exit code, same output and same error text once times, pids and paths are masked. A difference that is
meant is listed with its reason below its command in `commands/`.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import daemons
import images
import steps

MASKS = [
    (re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\x00|\^@"), ""),  # a terminal's, and what a client asks of it
    (re.compile(r"[^\n]*DEPRECATION: The support for cgroup v1 [^\n]*\n"), ""),  # said of the machine
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
    (re.compile(r"containerd/fifo/[0-9]+/"), "containerd/fifo/<N>/"),
    (re.compile(r"(containerd-mount|checkpoint|edit-)[0-9]+"), r"\1<N>"),
    (re.compile(r"(<NAMESPACE>)/[0-9]+(?=/)"), r"\1/<N>"),  # a snapshotter's own count
]
PASSING = re.compile(r": (?:resolving|waiting|downloading|uploading|committing|unresolved)\b|<ELAPSED>")
CLIENTS = {steps.OLD: "ctr", steps.NEW: os.path.join(os.environ.get("BOXSHIP_PEERS", "/nonexistent"), "ctr")}
ORIGINALS = {steps.OLD: "containerd", steps.NEW: os.path.join(os.path.dirname(CLIENTS[steps.NEW]), "containerd")}


def mask(text: str, daemon: daemons.Daemon, step: steps.Step) -> str:
    text = text.replace(str(daemon.home), "<HOME>").replace(daemon.namespace, "<NAMESPACE>")
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    for pattern in step.masks:
        text = re.sub(pattern, "<MASKED>", text)
    lines = [_sort_labels(re.sub(r"[ \t]+", " ", line).strip()) for line in re.split(r"[\r\n]+", text)]
    found = [line for line in lines if line and not any(re.search(pattern, line) for pattern in step.drops)]
    if step.progress:
        # what two downloads share is "done" for one and "exists" for the other
        found = sorted({line.replace(": exists |", ": done |") for line in found if not PASSING.search(line)})
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

    @property
    def equal(self) -> bool:
        return self.ours == self.peer

    @property
    def state(self) -> str:
        if self.equal:
            return "same"
        return "listed" if self.step.excuse else "DIFFERS"


def masked(outcome: daemons.Outcome, daemon: daemons.Daemon, step: steps.Step) -> daemons.Outcome:
    return daemons.Outcome(
        code=outcome.code,
        output="" if step.only_code else mask(outcome.output, daemon, step),
        errors="" if step.only_code else mask(outcome.errors, daemon, step),
    )


def _lost(result: Result) -> bool:
    """ctr 1.6 closes its FIFOs once a process has ended, read or not: beside the original, output is lost now and then.

    Such a command is run once more, if it leaves nothing behind. Never for output that ours lost.
    """
    ours, peer = result.ours, result.peer
    leaves_nothing = result.step.shell.startswith(("ctr run --rm", "ctr tasks exec --exec-id e1"))
    return leaves_nothing and ours.code == peer.code and not peer.output and bool(ours.output)


def run(step: steps.Step, daemon: daemons.Daemon, names: dict[str, str]) -> daemons.Outcome:
    line = step.shell
    own = {"HOME": str(daemon.home), "NAMESPACE": daemon.namespace, "ID": f"{step.group}-{step.number}"}
    for name, value in {**names, **own}.items():
        line = line.replace(f"@{name}@", value)
    return masked(daemon.shell(line, step.seconds), daemon, step)


@contextlib.contextmanager
def session(client: str) -> Iterator[Callable[[steps.Step], Result]]:
    """Both daemons up; the function runs one step at both of them at once and compares."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ctr-", dir="/var/tmp"))
    with (
        daemons.pair(folder, CLIENTS[client], ORIGINALS[client]) as (ours, peer, registry),
        concurrent.futures.ThreadPoolExecutor(2) as hands,
    ):
        names = images.fill(registry.host)

        def compare(step: steps.Step, again: int = 2) -> Result:
            at_ours, at_peer = (hands.submit(run, step, daemon, names) for daemon in (ours, peer))
            result = Result(step=step, ours=at_ours.result(), peer=at_peer.result())
            return compare(step, again - 1) if again and _lost(result) else result

        yield compare


def report(results: Sequence[Result], *, verbose: bool = False) -> None:
    for result in results:
        print(f"{result.state:8} {result.peer.code:4} {result.step.name}")
        if result.state == "listed":
            print(f"         {result.step.excuse}")
        if result.state == "DIFFERS" or (verbose and result.state == "listed"):
            _show("peer", result.peer)
            _show("ours", result.ours)
    count = {state: sum(result.state == state for result in results) for state in ("same", "listed", "DIFFERS")}
    print(
        f"{len(results)} commands: {count['same']} same, {count['listed']} listed with a reason, {count['DIFFERS']} differ"
    )


def _show(who: str, outcome: daemons.Outcome) -> None:
    print(f"    {who}: exit {outcome.code}")
    for name, text in (("out", outcome.output), ("err", outcome.errors)):
        for line in text.splitlines()[:40]:
            print(f"      {name}| {line[:400]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--new", action="store_true", help="ctr and containerd 2.x")
    parser.add_argument("--only", default="", help="the group whose steps are run (beside what sets up for others)")
    parser.add_argument("--verbose", action="store_true", help="show listed differences in full")
    options = parser.parse_args()
    client = steps.NEW if options.new else steps.OLD
    chosen = [step for step in steps.all_steps(client) if options.only in step.group or step.setup]
    with session(client) as compare:
        results = [compare(step) for step in chosen]
    report(results, verbose=options.verbose)
    return any(result.state == "DIFFERS" for result in results)


if __name__ == "__main__":
    sys.exit(main())
