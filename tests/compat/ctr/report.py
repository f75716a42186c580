"""A comparison in words."""

import collections

from compat.ctr import session, surface

HEADS = ("group", "commands", "same", "excused", "different")


def tell(comparison: session.Comparison, *, verbose: bool = False) -> None:
    """Print what differs in full, what is excused with its reason, and the table at the end."""
    results = comparison.results
    for result in results:
        if result.bad or verbose:
            _show(result)
    for result in comparison.passing:
        print("\nOnly at first, and not when it was tried again more slowly:", end="")
        _show(result)
    _excused(comparison)
    _table(comparison)


def _show(result: session.Result) -> None:
    print(f"\n{result.state}: {result.step.name}")
    if result.step.excuse:
        print(f"  {result.step.excuse}")
    if result.state == "outdated":
        print("  but there is no difference any more: take the reason away")
        return
    both = (("the original", result.peer), ("boxship", result.ours))
    for who, outcome in both[: 1 if result.state == "same" else 2]:
        print(f"  {who}: exit {outcome.code}{', with no end in time' if outcome.late else ''}")
        for name, text in (("out", outcome.output), ("err", outcome.errors)):
            for line in text.splitlines()[:40]:
                print(f"    {name}| {line[:400]}")


def _excused(comparison: session.Comparison) -> None:
    reasons: dict[str, list[str]] = {}
    for result in comparison.results:
        if result.state == "excused":
            reasons.setdefault(result.step.excuse, []).append(result.step.name)
    print(f"\nExcused, ctr {comparison.client}:")
    for reason, names in reasons.items():
        print(f"- {reason}")
        for name in names:
            print(f"    {name if len(name) < 150 else name[:147] + '...'}")


def _table(comparison: session.Comparison) -> None:
    client, original = session.CLIENTS[comparison.client], session.ORIGINALS[comparison.client]
    print(f"\n{session.version(client)}: boxship beside {session.version(original)}, {comparison.seconds:.0f} s\n")
    print(f"{HEADS[0]:<12}" + "".join(f"{head:>10}" for head in HEADS[1:]))
    every: collections.Counter[str] = collections.Counter()
    for group, count in session.counts(comparison.results).items():
        every += count
        _row(group, count)
    _row("all", every)
    if every["outdated"]:
        print(f"({every['outdated']} of the different ones are excused but no longer differ)")
    print(f"\n{len(comparison.calls)} calls of ctr at each daemon")
    if comparison.whole:
        _used(comparison)


def _row(name: str, count: collections.Counter[str]) -> None:
    numbers = (count.total(), count["same"], count["excused"], count["different"] + count["outdated"])
    print(f"{name:<12}" + "".join(f"{number:>10}" for number in numbers))


def _used(comparison: session.Comparison) -> None:
    known = surface.read(session.CLIENTS[comparison.client])
    commands, options = set(known.commands.values()), {name for name, _ in known.options.values()}
    print(f"used with good and with bad arguments: {len(commands)} sub-commands, {len(options)} options of `ctr run`")
    for what in surface.missing(known, comparison.calls):
        print(f"but not: {what}")
