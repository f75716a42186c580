"""What ctr can be asked, by its own --help, and how much of it has been asked."""

import concurrent.futures
import dataclasses
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence

GROUPS = (
    "version",
    "plugins",
    "namespaces",
    "images",
    "content",
    "snapshots",
    "leases",
    "events",
    "run",
    "tasks",
    "containers",
    "oci",
    "shim",
)
LEFT_OUT = re.compile(r"gpus|rdt-class|apparmor-.*|cni|help")
"""Options of `ctr run` that need what a test machine has not."""
TAKES_ANYTHING = frozenset(
    {"env", "label", "annotation", "cgroup", "snapshotter-label", "runtime-config-path", "sandbox"}
)
"""Options of `ctr run` of which no value is refused."""
NEVER_SUCCEEDS = re.compile(
    r"ctr tasks checkpoint|ctr containers restore"  # without CRIU; and what is restored, CRIU has written
    r"|ctr shim exec"  # the client panics over every specification
    r"|ctr shim (?:start|delete)"  # the client names no container
    r"|ctr shim pprof .*"  # asks for profiles of Go on a socket that only a debugged shim has
    r"|ctr run --runc-systemd-cgroup"  # where there is no systemd
)
TAKES_WORDS = frozenset(
    {"-a", "--address", "-n", "--namespace", "--timeout", "--connect-timeout"}
    | {"--snapshotter", "--id", "--shim-address"}
)
"""Options before a sub-command that a word follows."""
ENDED_BY_US = (124, 143)
_WRITTEN = re.compile(r"\bctr((?: +[^\s|;&()'\"]+)+)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of ctr; `code` is None when it is only read from a step."""

    words: tuple[str, ...]
    code: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """`commands`: every spelling of every sub-command -> its first spelling; `options`: those of `ctr run`, every
    spelling -> (the first one, whether a value belongs to it)."""

    commands: Mapping[tuple[str, ...], tuple[str, ...]]
    options: Mapping[str, tuple[str, bool]]

    def command(self, call: Call) -> tuple[tuple[str, ...], list[str]]:
        """The sub-command that is called, () when it is none, and the words behind it."""
        words = list(call.words)
        path: tuple[str, ...] = ()
        while words:
            word = words.pop(0)
            if word.startswith("-"):
                del words[: word in TAKES_WORDS]
                continue
            path = (*path, word)
            if found := self.commands.get(path):
                return found, words
        return (), words

    def given(self, words: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Option and value, in the words behind `run`, up to the first that is neither."""
        rest = iter(words)
        for word in rest:
            if not word.startswith("-") or word == "--":
                return
            name, equals, value = word.lstrip("-").partition("=")
            first, takes_value = self.options.get(name, ("", False))
            if takes_value and not equals:
                value = next(rest, "")
            if first:
                yield first, value


def read(ctr: str) -> Surface:
    """Ask `ctr --help`, and each sub-command."""
    commands: dict[tuple[str, ...], tuple[str, ...]] = {}
    found: list[tuple[str, ...]] = []
    wanted = [names for names in _commands(_help(ctr)) if names[0] in GROUPS]
    for names in wanted:
        commands.update({(name,): (names[0],) for name in names})
        found.append((names[0],))
    spellings: dict[tuple[str, ...], tuple[str, ...]] = {(names[0],): names for names in wanted}
    for _ in range(2):
        with concurrent.futures.ThreadPoolExecutor(4) as hands:
            texts = list(hands.map(lambda path: _help(ctr, *path), found))
        below: list[tuple[str, ...]] = []
        for path, text in zip(found, texts, strict=True):
            for names in _commands(text):
                below.append((*path, names[0]))
                for name in names:
                    for first in spellings[path[:1]]:
                        commands[(first, *path[1:], name)] = below[-1]
        folders = {path[:-1] for path in below}
        commands = {spelling: path for spelling, path in commands.items() if path not in folders}
        found = below
    return Surface(commands=commands, options=_options(_help(ctr, "run")))


def _help(ctr: str, *path: str) -> str:
    return subprocess.run([ctr, *path, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout


def _commands(text: str) -> list[tuple[str, ...]]:
    """The names of each sub-command that a help lists."""
    _, _, below = text.partition("\nCOMMANDS:\n")
    lines = re.split(r"\n\s*\n", below)[0].splitlines()
    names = [re.split(r" {2,}", line.strip())[0].split(", ") for line in lines if line.strip()]
    return [tuple(each) for each in names if each[0] != "help"]


def _options(text: str) -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    for line in text.partition("\nOPTIONS:\n")[2].splitlines():
        match = re.match(r" +--([a-z-]+)((?:, -\w)?)( [^ ]+)?", line)
        if match and not LEFT_OUT.fullmatch(match[1]):
            for name in (match[1], match[2].removeprefix(", -")):
                found[name] = (match[1], bool(match[3]))
    found.pop("", None)
    return found


def written(shell: str) -> list[Call]:
    """The calls that stand in a line of sh, as far as the first word which is hard to read."""
    return [Call(words=tuple(words.split())) for words in _WRITTEN.findall(shell)]


def unused(surface: Surface, calls: Sequence[Call]) -> list[str]:
    """What was asked for by no call."""
    commands = {surface.command(call)[0] for call in calls}
    options = {name for call in calls for name, _ in _of_run(surface, call)}
    return [
        *(f"ctr {' '.join(path)}" for path in sorted(set(surface.commands.values()) - commands)),
        *(f"ctr run --{name}" for name in sorted({name for name, _ in surface.options.values()} - options)),
    ]


def _of_run(surface: Surface, call: Call) -> Iterator[tuple[str, str]]:
    path, words = surface.command(call)
    return surface.given(words) if path == ("run",) else iter(())


def missing(surface: Surface, calls: Sequence[Call]) -> list[str]:
    """What was never used, has never succeeded, or never been refused; an option, for the sake of its value."""
    found = (unused(surface, calls), _one_sided_commands(surface, calls), _one_sided_options(surface, calls))
    return [what for each in found for what in each]


def _one_sided_commands(surface: Surface, calls: Sequence[Call]) -> Iterator[str]:
    fates: dict[tuple[str, ...], set[bool]] = {path: set() for path in surface.commands.values()}
    for call in calls:
        path, _ = surface.command(call)
        if path:
            fates[path].add(call.code == 0 or (path == ("events",) and call.code in ENDED_BY_US))
    for path, seen in sorted(fates.items()):
        name = f"ctr {' '.join(path)}"
        if True not in seen and not NEVER_SUCCEEDS.fullmatch(name):
            yield f"{name}: never succeeded"
        if False not in seen:
            yield f"{name}: never was refused"


def _one_sided_options(surface: Surface, calls: Sequence[Call]) -> Iterator[str]:
    good: dict[str, set[str]] = {name: set() for name, _ in surface.options.values()}
    bad: dict[str, set[str]] = {name: set() for name in good}
    for call in calls:
        for name, value in _of_run(surface, call):
            (good if call.code == 0 else bad)[name].add(value)
    for name in sorted(good):
        if not good[name] and not NEVER_SUCCEEDS.fullmatch(f"ctr run --{name}"):
            yield f"ctr run --{name}: never succeeded"
        if name in TAKES_ANYTHING:
            if len(good[name] | bad[name]) < 2:
                yield f"ctr run --{name}: only one value was tried"
        elif not bad[name] - good[name]:
            yield f"ctr run --{name}: no value was refused"
