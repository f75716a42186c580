"""What is run against both daemons: the lines of `commands/*.txt`, one command of sh each, in order.

A line may end in `  ## WORDS`:
    unordered    compare sorted lines
    progress     compare what became of each object, not how often its state was told
    only_code    compare exit codes alone
    setup        run it even when only other groups are asked for
    only=1.6, only=2.3    for this client alone
    mask=REGEX   (no spaces in it) hide what legally differs

Below a line may stand `    differs: REASON`: this command alone may differ, and why. `differs 1.6: REASON` and
`differs 2.3: REASON` are for one client; with `by chance` before the colon it need not differ every time. A line
`mask REGEX` hides in all that follow in its file, `drop REGEX` (or `drop 2.3 REGEX`) takes whole lines of output away.
`#` begins a remark.

In a command `ctr` is the client at the daemon in question. `@BOX@`, `@THREE@`, `@MANY@` are images in the registry
`@HOST@`; `@HOME@` is the daemon's own folder, `@NAMESPACE@` its namespace, `@ID@` an id that no other step has.
`@SOON@` is the time in seconds until what was begun is under way, `@LATER@` a longer one. words.sh has words that wait.
"""

import dataclasses
import pathlib
import re

FOLDER = pathlib.Path(__file__).parent / "commands"
OLD, NEW = "1.6", "2.3"
GROUPS = (
    "version",
    "plugins",
    "oci",
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
)
LOCAL = re.compile(
    r"\b(ctr (?:-n \w+ )?images (?:pull|import|push|export|tag)) "
)  # 2.x has these by its transfer service, too
DIFFERS = re.compile(r"    differs(?: (1\.6|2\.3))?( by chance)?: (.+)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command. `excuse` is the reason for which it may differ, or empty; `number` that of its line."""

    group: str
    number: int
    shell: str
    masks: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    excuse: str = ""
    by_chance: bool = False
    unordered: bool = False
    progress: bool = False
    only_code: bool = False
    setup: bool = False

    @property
    def place(self) -> tuple[str, int]:
        return self.group, self.number

    @property
    def name(self) -> str:
        return f"{self.group}:{self.number}: {self.shell}"


def all_steps(client: str) -> list[Step]:
    """Every step for a client, "1.6" or "2.3"."""
    return [step for group in GROUPS for step in read(group, client)]


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
        elif line.startswith(" "):
            if wanted:
                found[-1] = _excused(found[-1], line, client)
        elif line and not line.startswith("#"):
            shell, _, words = line.partition("  ## ")
            options = _options(words.split(), f"{group}:{number}")
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


def _options(words: list[str], place: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for word in words:
        name, given, value = word.partition("=")
        if name in {"unordered", "progress", "only_code", "setup"} and not given:
            found[name] = True
        elif name == "only" and value in {OLD, NEW}:
            found[name] = value
        elif name == "mask":
            found[name] = (value,)
        else:
            raise ValueError(f"{place}: unknown word {word!r}")
    return found


def _excused(step: Step, line: str, client: str) -> Step:
    match = DIFFERS.fullmatch(line)
    if not match:
        raise ValueError(f"{step.name}: {line.strip()!r} is no reason")
    if match[1] not in {None, client}:
        return step
    return dataclasses.replace(step, excuse=match[3], by_chance=bool(match[2]))


def _worded(shell: str, client: str) -> str:
    return LOCAL.sub(r"\1 --local ", shell) if client == NEW else shell
