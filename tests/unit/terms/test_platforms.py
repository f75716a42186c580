import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.terms import errors, platforms


def of(text: str) -> platforms.Platform:
    os, architecture, variant = [*text.split("/"), "", ""][:3]
    return platforms.Platform(os=os, architecture=architecture, variant=variant)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AARCH64", "linux/arm64"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("macos/arm64", "darwin/arm64"),
        ("windows(10.0.17763)/amd64", "windows/amd64"),
    ],
)
def test_parse_and_normalize(text: str, expected: str) -> None:
    assert str(platforms.normalize(platforms.parse(text))) == expected


def test_this_machine_completes_one_word() -> None:
    here = platforms.default()
    assert platforms.parse("linux") == here
    assert platforms.parse("riscv64") == of("linux/riscv64")
    assert platforms.parse("arm64/v8").os == "arm64"  # two words are never completed


def test_the_version_of_a_system_is_kept() -> None:
    assert platforms.parse("windows(10.0.17763)/amd64").os_version == "10.0.17763"


@pytest.mark.parametrize(
    "text", ["", "/", "linux/", "linux/amd64/v1/x", "linux/am d", "nonsense", "*", "linux/amd64/../..", "x" * 70000]
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="platform"):
        platforms.parse(text)


@pytest.mark.parametrize(
    ("machine", "runs"),
    [
        ("linux/amd64", ["linux/amd64", "linux/386"]),
        ("linux/amd64/v3", ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"]),
        ("linux/arm/v7", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
        ("linux/arm64", ["linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
        ("linux/arm64/v8.2", ["linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64", "linux/arm/v8"]),
        ("linux/arm64/v9", ["linux/arm64/v9", "linux/arm64/v8.5", "linux/arm64", "linux/arm/v8"]),
    ],
)
def test_only_prefers_the_closest(machine: str, runs: list[str]) -> None:
    matcher = platforms.only(of(machine))
    ranks = [matcher.rank(of(each)) for each in runs]
    assert ranks == sorted(ranks)
    assert all(matcher.matches(of(each)) for each in runs)


@pytest.mark.parametrize(
    ("machine", "other"),
    [
        ("linux/amd64", "linux/amd64/v2"),
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/amd64", "windows/amd64"),
        ("linux/386", "linux/amd64"),
    ],
)
def test_only_refuses_what_cannot_run(machine: str, other: str) -> None:
    assert not platforms.only(of(machine)).matches(of(other))


def test_strictly_takes_nothing_compatible() -> None:
    matcher = platforms.strictly(of("linux/arm64/v8"))
    assert matcher.matches(of("linux/arm64"))
    assert not matcher.matches(of("linux/arm/v7"))


def test_without_wishes_everything_matches() -> None:
    assert platforms.EVERYTHING.matches(of("plan9/mips"))
    assert platforms.any_of([]).matches(of("plan9/mips"))
    assert not platforms.any_of([of("linux/amd64"), of("linux/s390x")]).matches(of("linux/arm64"))


@given(st.text(max_size=40))
def test_normalizing_is_done_once(text: str) -> None:
    try:
        once = platforms.normalize(platforms.parse(text))
    except errors.InvalidArgument:
        return
    assert platforms.normalize(once) == once
