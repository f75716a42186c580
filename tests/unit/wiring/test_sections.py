from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from boxship.wiring import sections
from boxship.wiring.sections import Duration


@dataclass(frozen=True, kw_only=True)
class Inner:
    path: str = ""
    count: int = 3


@dataclass(frozen=True, kw_only=True)
class Config:
    name: str = "x"
    ratio: float = 0.5
    on: bool = False
    wait: Duration = Duration(0.1)  # noqa: RUF009 - immutable
    words: tuple[str, ...] = ()
    table: Mapping[str, int] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("name must not be bad")


def test_what_is_not_said_keeps_its_default():
    assert sections.read(Config, {}) == Config()


def test_everything_can_be_said():
    table = {
        "name": "y",
        "ratio": 1,
        "on": True,
        "wait": "1m30s",
        "words": ["a"],
        "table": {"b": 2},
        "inner": {"count": 4},
    }
    found = sections.read(Config, table)
    assert found == Config(
        name="y", ratio=1.0, on=True, wait=Duration(90), words=("a",), table={"b": 2}, inner=Inner(count=4)
    )
    assert sections.read(Config, sections.table(found)) == found


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"name": 1}, "here.name: must be a string, not 1"),
        ({"ratio": "x"}, 'here.ratio: must be a number, not "x"'),
        ({"on": 1}, "here.on: must be true or false, not 1"),
        ({"inner": {"count": True}}, "here.inner.count: must be a whole number, not true"),
        ({"inner": []}, "here.inner: must be a table, not []"),
        ({"words": "a"}, 'here.words: must be a list, not "a"'),
        ({"words": ["a", 2]}, "here.words[1]: must be a string, not 2"),
        ({"table": {"b": "c"}}, 'here.table.b: must be a whole number, not "c"'),
        ({"wait": "soon"}, 'here.wait: "soon" is no duration, such as "100ms" or "1m30s"'),
        ({"name": "bad"}, "here: name must not be bad"),
    ],
)
def test_a_bad_value_names_key_and_reason(table, said):
    with pytest.raises(sections.BadValue) as raised:
        sections.read(Config, table, "here")
    assert str(raised.value) == said


def test_unknown_keys_are_told_with_their_path():
    assert list(sections.unknown(Config, {"name": "y", "nmae": 1, "inner": {"conut": 1}}, "here")) == [
        "here.nmae",
        "here.inner.conut",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("0", 0),
        ("100ms", 0.1),
        ("1m30s", 90),
        ("1h0m0.5s", 3600.5),
        ("2us", 2e-6),
        ("-1.5s", -1.5),
        (".5s", 0.5),
    ],
)
def test_durations_are_read(text, seconds):
    assert Duration.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1s ", "--1s", "1ss"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="no duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.1, "100ms"),
        (90, "1m30s"),
        (3600, "1h0m0s"),
        (2e-6, "2µs"),
        (3e-9, "3ns"),
        (1.5, "1.5s"),
        (-2, "-2s"),
    ],
)
def test_durations_are_written_as_go_writes_them(seconds, text):
    assert str(Duration(seconds)) == text
    assert Duration.parse(text) == pytest.approx(seconds)
