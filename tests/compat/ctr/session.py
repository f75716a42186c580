"""Every step at both daemons, and what came of it."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Container, Iterator, Sequence

from compat.ctr import daemons, images, masks, steps, surface

PEERS = os.environ.get("BOXSHIP_PEERS") or os.path.expanduser("~/.cache/boxship/peers")
CLIENTS = {steps.OLD: "ctr", steps.NEW: os.path.join(PEERS, "ctr")}
ORIGINALS = {steps.OLD: "containerd", steps.NEW: os.path.join(PEERS, "containerd")}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds: until what was begun is under way, until it ends by itself, for one step."""

    soon: float
    later: float
    step: float


QUICK = Pace(soon=0.2, later=0.7, step=20)
PATIENT = Pace(soon=1, later=3, step=40)
SECONDS = 300.0
"""For all steps of one client."""
MOST_LATE = 4
"""Commands that may be ended by us until all is given up."""


LEAVES_NOTHING = re.compile(
    r"ctr run --rm |ctr tasks exec --exec-id e1 |^listen|ctr (?:run -d|containers create) .*; ctr containers rm @ID@(?:$|[; ])"
)
"""Steps that may be tried again at once."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One step and its two outcomes, as they are compared."""

    step: steps.Step
    ours: daemons.Outcome
    peer: daemons.Outcome

    @property
    def state(self) -> str:
        """same, excused, different; or outdated: excused, but the same."""
        if self.ours != self.peer:
            return "excused" if self.step.excuse else "different"
        return "outdated" if self.step.excuse and not self.step.by_chance else "same"

    @property
    def bad(self) -> bool:
        return self.state in {"different", "outdated"}

    @property
    def late(self) -> bool:
        return self.ours.late or self.peer.late


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All of it; `calls` are those of ctr at the original, `passing` the differences that did not show again."""

    client: str
    whole: bool
    results: Sequence[Result]
    calls: Sequence[surface.Call]
    passing: Sequence[Result]
    seconds: float


def compare(client: str, only: str = "") -> Comparison:
    """Run the steps of the groups in whose name `only` is. What differs is tried once more, and slowly.

    Raises:
        RuntimeError: a daemon did not start, or died.
        TimeoutError: it takes too long.
    """
    start = time.monotonic()
    chosen = [step for step in steps.all_steps(client) if only in step.group]
    found = _run(client, chosen)
    results, passing = found.results, found.passing
    first = [result for result in results if result.bad and not LEAVES_NOTHING.search(result.step.shell)]
    if first:
        again = _run(client, chosen, slow={result.step.group for result in first})
        second = {result.step.place: result for result in again.results}
        results = [second[result.step.place] if result in first else result for result in results]
        passing += [result for result in first if not second[result.step.place].bad]
    return Comparison(
        client=client,
        whole=not only,
        results=results,
        calls=found.calls,
        passing=passing,
        seconds=time.monotonic() - start,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    results: list[Result]
    passing: list[Result]
    calls: list[surface.Call]


def _run(client: str, chosen: Sequence[steps.Step], slow: Container[str] = ()) -> _Run:
    """The steps, once; groups in `slow` have more time. One that leaves nothing behind is tried again at once."""
    places = {step.place for step in chosen}
    before = [step for step in steps.all_steps(client) if step.setup and step.place not in places]
    deadline = time.monotonic() + SECONDS
    results: list[Result] = []
    passing: list[Result] = []
    with _pair(client) as (ours, peer, names), concurrent.futures.ThreadPoolExecutor(2) as hands:

        def both(step: steps.Step, pace: Pace) -> Result:
            found = [hands.submit(_at, daemon, step, names, pace) for daemon in (ours, peer)]
            return Result(step=step, ours=found[0].result(), peer=found[1].result())

        for step in (*before, *chosen):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {SECONDS:.0f} s, {step.name} and those behind it are still to be done")
            result = both(step, PATIENT if step.group in slow else QUICK)
            if result.bad and LEAVES_NOTHING.search(step.shell):
                first, result = result, both(step, PATIENT)
                passing += [] if result.bad else [first]
            results.append(result)
            if sum(result.late for result in results) > MOST_LATE:
                raise TimeoutError(f"too many commands have no end, the last is {step.name}")
            ours.check()
            peer.check()
        return _Run(results=results[len(before) :], passing=passing, calls=peer.calls())


@contextlib.contextmanager
def _pair(client: str) -> Iterator[tuple[daemons.Daemon, daemons.Daemon, dict[str, str]]]:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ctr-", dir="/var/tmp"))
    with daemons.pair(folder, CLIENTS[client], ORIGINALS[client]) as (ours, peer, registry):
        yield ours, peer, images.fill(registry.host)


def _at(daemon: daemons.Daemon, step: steps.Step, names: dict[str, str], pace: Pace) -> daemons.Outcome:
    line = step.shell
    own = {
        "HOME": str(daemon.home),
        "NAMESPACE": daemon.namespace,
        "ID": f"{step.group}-{step.number}",
        "SOON": str(pace.soon),
        "LATER": str(pace.later),
    }
    for name, value in {**names, **own}.items():
        line = line.replace(f"@{name}@", value)
    found = daemon.shell(line, pace.step, pace.soon)

    def seen(text: str) -> str:
        return "" if step.only_code else masks.hide(text, step, home=str(daemon.home), namespace=daemon.namespace)

    return dataclasses.replace(found, output=seen(found.output), errors=seen(found.errors))


def missing(client: str) -> list[str]:
    """What is not here of all that the comparison needs."""
    programs = ["runc", "docker-registry", "script", "unshare", "nsenter", "/bin/busybox"]
    found = [name for name in (CLIENTS[client], ORIGINALS[client], *programs) if not shutil.which(name)]
    for program in (CLIENTS[client], ORIGINALS[client]):
        if not found and f" {client}." not in version(program):
            found.append(f"{program} {client} (this is {version(program)})")
    if importlib.util.find_spec("boxship") is None:
        found.append("boxship in this Python (./dev exec python … has it)")
    return found if os.geteuid() == 0 else ["root", *found]


def version(program: str) -> str:
    """`ctr 2.3.4` for its `--version`."""
    words = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    return f"{words[0]} {words[2].split('+')[0].split('~')[0].removeprefix('v')}"


def counts(results: Sequence[Result]) -> dict[str, collections.Counter[str]]:
    """Of each group, how many are in which state."""
    found: dict[str, collections.Counter[str]] = {}
    for result in results:
        found.setdefault(result.step.group, collections.Counter())[result.state] += 1
    return found
