"""Platforms say on which machines an image runs: `linux/arm64/v8`, in Go's words for systems and processors.

The most common variants go without saying: arm64 is v8, amd64 is v1 and arm is v7.
"""

import dataclasses
import functools
import os
import re
from collections.abc import Iterable

from boxship.terms import errors

_OS = re.compile(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_LONGEST = 256

# Go's list of systems and processors (go/src/internal/syslist).
_SYSTEMS = frozenset(
    [
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "hurd",
        "illumos",
        "ios",
        "js",
        "linux",
        "nacl",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "windows",
        "zos",
    ]
)
_PROCESSORS = frozenset(
    [
        "386",
        "amd64",
        "amd64p32",
        "arm",
        "armbe",
        "arm64",
        "arm64be",
        "ppc64",
        "ppc64le",
        "loong64",
        "mips",
        "mipsle",
        "mips64",
        "mips64le",
        "mips64p32",
        "mips64p32le",
        "ppc",
        "riscv",
        "riscv64",
        "s390",
        "s390x",
        "sparc",
        "sparc64",
        "wasm",
    ]
)
_MACHINES = {
    "x86_64": ("amd64", ""), "aarch64": ("arm64", ""), "i386": ("386", ""), "i686": ("386", ""), "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"), "armv5tel": ("arm", "v5"), "ppc64le": ("ppc64le", ""), "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""), "loongarch64": ("loong64", ""),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A system, a processor and the processor's variant (OCI image-spec, image-index.md)."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.os:
            return "unknown"
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def parse(text: str) -> Platform:
    """Read `os`, `architecture`, `os/architecture` or `os/architecture/variant`; this machine completes what is missing.

    Raises:
        InvalidArgument: a part has other characters than letters, digits, `-` and `_`, or a single word is unknown.
    """
    parts = text[:_LONGEST].split("/")
    system = _OS.fullmatch(parts[0])
    if system is None or len(text) > _LONGEST or len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts[1:]):
        raise errors.InvalidArgument(f"platform {text[:100]!r}: it must look like linux/amd64 or linux/arm64/v8")
    os_name, os_version = _normal_os(system[1]), system[2] or ""
    if len(parts) == 1:
        return _parse_word(parts[0], os_name, os_version)
    architecture, variant = _normal_architecture(parts[1], parts[2] if len(parts) == 3 else "")
    if len(parts) == 2 and (architecture, variant) == ("arm", "v7"):
        variant = ""
    if len(parts) == 3 and architecture == "arm64":
        variant = variant or "v8"
    return Platform(os=os_name, architecture=architecture, variant=variant, os_version=os_version)


def _parse_word(word: str, os_name: str, os_version: str) -> Platform:
    here = default()
    if os_name in _SYSTEMS:
        variant = here.variant if here.architecture == "arm" and here.variant != "v7" else ""
        return Platform(os=os_name, architecture=here.architecture, variant=variant, os_version=os_version)
    architecture, variant = _normal_architecture(word, "")
    if architecture not in _PROCESSORS:
        raise errors.InvalidArgument(f"platform {word!r}: unknown operating system or architecture")
    if (architecture, variant) == ("arm", "v7"):
        variant = ""
    return Platform(os="linux", architecture=architecture, variant=variant)


def normalize(platform: Platform) -> Platform:
    """The same platform in canonical words: `x86_64` is amd64, amd64's v1 and arm64's v8 are empty, arm's empty is v7."""
    architecture, variant = _normal_architecture(platform.architecture, platform.variant)
    return dataclasses.replace(platform, os=_normal_os(platform.os), architecture=architecture, variant=variant)


def _normal_os(name: str) -> str:
    name = name.lower()
    return {"": "linux", "macos": "darwin"}.get(name, name)


def _normal_architecture(architecture: str, variant: str) -> tuple[str, str]:
    architecture, variant = architecture.lower(), variant.lower()
    match architecture:
        case "i386":
            return "386", ""
        case "x86_64" | "x86-64" | "amd64":
            return "amd64", "" if variant == "v1" else variant
        case "aarch64" | "arm64":
            return "arm64", {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"}.get(variant, variant)
        case "armhf":
            return "arm", "v7"
        case "armel":
            return "arm", "v6"
        case "arm":
            return "arm", {"": "v7", "7": "v7", "5": "v5", "6": "v6", "8": "v8"}.get(variant, variant)
    return architecture, variant


@functools.cache
def default() -> Platform:
    """The platform of this machine."""
    machine = os.uname().machine
    architecture, variant = _MACHINES.get(machine, (machine.lower(), ""))
    return Platform(os="linux", architecture=architecture, variant=variant)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """Wanted platforms, best first. Without any, everything matches and nothing is better."""

    wanted: tuple[Platform, ...]

    def matches(self, platform: Platform) -> bool:
        return not self.wanted or self.rank(platform) < len(self.wanted)

    def rank(self, platform: Platform) -> int:
        """A key for sorting: the place of the wanted platform that it matches, and the number of wanted ones if none."""
        found = normalize(platform)
        for place, wanted in enumerate(self.wanted):
            if _same(wanted, found):
                return place
        return len(self.wanted)


EVERYTHING = Matcher(wanted=())


def _same(wanted: Platform, found: Platform) -> bool:
    return (wanted.os, wanted.architecture, wanted.variant) == (found.os, found.architecture, found.variant)


def only(platform: Platform) -> Matcher:
    """What runs on one machine: its platform, then older variants, then the 32-bit processor inside a 64-bit one."""
    return Matcher(wanted=tuple(_runs_on(normalize(platform))))


def strictly(platform: Platform) -> Matcher:
    """This platform and nothing that is merely compatible with it."""
    return Matcher(wanted=(normalize(platform),))


def any_of(platforms: Iterable[Platform]) -> Matcher:
    """What runs on any of some machines, in their order. Without machines, everything."""
    return Matcher(wanted=tuple(each for platform in platforms for each in _runs_on(normalize(platform))))


def _runs_on(platform: Platform) -> list[Platform]:
    found = [platform]
    match platform.architecture:
        case "amd64":
            found += _older(platform, lowest=1)
            found.append(dataclasses.replace(platform, architecture="386", variant=""))
        case "arm":
            found += _older(platform, lowest=5)
        case "arm64":
            found += _older_arm64(platform)
            variant = platform.variant or "v8"
            variant = "v8" if variant.startswith(("v8", "v9")) else variant
            found += _runs_on(dataclasses.replace(platform, architecture="arm", variant=variant))
    return [normalize(each) for each in found]


def _older(platform: Platform, *, lowest: int) -> list[Platform]:
    number = platform.variant.removeprefix("v")
    if not re.fullmatch(r"[0-9]{1,2}", number, re.ASCII):
        return []
    return [dataclasses.replace(platform, variant=f"v{each}") for each in range(int(number) - 1, lowest - 1, -1)]


def _older_arm64(platform: Platform) -> list[Platform]:
    """v9.N holds all of v9 before it, and v8 up to v8.(N+5) (Arm Architecture Reference Manual, A2.1)."""
    number = re.fullmatch(r"v([89])(?:\.([0-9]))?", platform.variant, re.ASCII)
    if number is None:
        return []
    major, minor = int(number[1]), int(number[2] or 0)
    versions = [(major, each) for each in range(minor - 1, -1, -1)]
    if major == 9:
        versions += [(8, each) for each in range(min(minor + 5, 9), -1, -1)]
    return [dataclasses.replace(platform, variant=f"v{high}.{low}" if low else f"v{high}") for high, low in versions]
