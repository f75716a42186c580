"""What is run against both daemons: the lines of `commands/*.txt`, one command of sh each, in order.

A line may end in `  ## WORDS`:
    unordered    compare sorted lines
    progress     compare what became of each object, not how often its state was told
    only_code    compare exit codes alone
    setup        run it even when only other groups are asked for
    seconds=N    how long it may take
    only=1.6, only=2.3    for this client alone
    mask=REGEX   (no spaces in it) hide what legally differs

Below a line may stand `    differs: REASON`, or `differs 1.6:` or `differs 2.3:` for one client: this command alone may
differ, and why. A line `mask REGEX` hides in all that follow in its file, `drop REGEX` (or `drop 2.3 REGEX`) takes
whole lines of output away. `#` begins a remark.

In a command `ctr` is the client at the daemon in question. `@BOX@`, `@THREE@`, `@MANY@` are images in the registry
`@HOST@`; `@HOME@` is the daemon's own folder, `@NAMESPACE@` its namespace, `@ID@` an id that no other step has.
"""

import dataclasses
import pathlib
import re

FOLDER = pathlib.Path(__file__).parent / "commands"
OLD, NEW = "1.6", "2.3"
GROUPS = {
    OLD: (
        "version",
        "namespaces",
        "images",
        "content",
        "snapshots",
        "leases",
        "run",
        "tasks",
        "containers",
        "shim",
        "events",
    ),
    NEW: ("images", "content", "snapshots", "run", "tasks", "containers", "shim", "events"),
}
LOCAL = re.compile(
    r"\b(ctr (?:-n \w+ )?images (?:pull|import|push|export|tag)) "
)  # 2.x has these by its transfer service, too


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command. `excuse` is the reason for which it may differ, or empty."""

    group: str
    number: int
    shell: str
    masks: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    excuse: str = ""
    unordered: bool = False
    progress: bool = False
    only_code: bool = False
    setup: bool = False
    seconds: float = 20

    @property
    def name(self) -> str:
        return f"{self.group}: {self.shell}"


def all_steps(client: str) -> list[Step]:
    """Every step for a client, "1.6" or "2.3"."""
    return [step for group in GROUPS[client] for step in read(group, client)]


def read(group: str, client: str) -> list[Step]:
    """The steps of one file.

    Raises:
        ValueError: a line says what is not known.
    """
    found: list[Step] = []
    masks: list[str] = []
    drops: list[str] = []
    wanted = True
    for number, line in enumerate((FOLDER / f"{group}.txt").read_text().splitlines(), 1):
        if line.startswith("mask "):
            masks.append(line.removeprefix("mask "))
        elif line.startswith("drop "):
            drops += _for_client(line.removeprefix("drop "), client)
        elif line.startswith("    differs"):
            if wanted:
                found[-1] = _excused(found[-1], line, client)
        elif line and not line.startswith("#"):
            shell, _, words = line.partition("  ## ")
            options = _options(words.split())
            wanted = options.pop("only", client) == client
            if wanted:
                options["masks"], options["drops"] = (*masks, *options.pop("mask", ())), tuple(drops)
                found.append(Step(group=group, number=number, shell=_worded(shell, client), **options))  # type: ignore[arg-type]
    return found


def _for_client(text: str, client: str) -> list[str]:
    which, _, rest = text.partition(" ")
    if which not in {OLD, NEW}:
        return [text]
    return [rest] if which == client else []


def _options(words: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for word in words:
        name, given, value = word.partition("=")
        if name in {"unordered", "progress", "only_code", "setup"} and not given:
            found[name] = True
        elif name == "seconds":
            found[name] = float(value)
        elif name == "only" and value in {OLD, NEW}:
            found[name] = value
        elif name == "mask":
            found[name] = (value,)
        else:
            raise ValueError(f"unknown word {word!r} behind a step")
    return found


def _excused(step: Step, line: str, client: str) -> Step:
    which, _, reason = line.strip().partition(": ")
    for_client = which.removeprefix("differs").strip()
    if for_client not in {"", OLD, NEW} or not reason:
        raise ValueError(f"{step.name}: {line.strip()!r} is no reason")
    return step if for_client not in {"", client} else dataclasses.replace(step, excuse=reason)


def _worded(shell: str, client: str) -> str:
    return LOCAL.sub(r"\1 --local ", shell) if client == NEW else shell
