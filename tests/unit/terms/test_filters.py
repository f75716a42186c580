import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from boxship.terms import errors, filters

FIELDS: Mapping[tuple[str, ...], str] = {
    ("name",): "foo",
    ("kind",): "active",
    ("topic",): "/tasks/start",
    ("labels", "a.b/c"): "x",
    ("labels", "empty"): "",
}


def field(path: Sequence[str]) -> str | None:
    return FIELDS.get(tuple(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("name", True),
        ("nope", False),
        ("name==foo", True),
        ("name==bar", False),
        ("name!=bar", True),
        ("nope!=bar", True),
        ("nope==", None),
        ("name== foo", True),
        ('labels."a.b/c"==x', True),
        ('labels."a.b/c"', True),
        ("labels.empty", True),
        ('labels.empty==""', True),
        ("name==foo,kind==active", True),
        ("name==foo, kind==view", False),
        ("topic~=|^/tasks/|", True),
        (r"topic~=/^\/tasks\//", True),
        ("topic~=^.tasks", True),
        (r'name=="\x66\157\u006f"', True),
        (r'name~="^f(oo|x)$"', True),
        ("name~=(", False),  # containerd matches nothing with an expression that it cannot read
        (r"name~=|(f)\\1|", False),
    ],
)
def test_answers_as_containerd_does(text: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(errors.InvalidArgument):
            filters.parse(text)
    else:
        assert filters.parse(text).matches(field) is expected


# What Debian's containerd 1.6.20 and containerd 2.1's pkg/filters answer.
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name==foo (x", "[name==foo >| |< (x]: unexpected input:  "),
        ("x=", '[x >|=|< ]: unsupported operator "="'),
        ("kind!=", "[kind!=]: expected value or quoted"),
        (".", "[ >|.|< ]: expected field or quoted"),
        ("name ", '[name ]: expected an operator ("=="|"!="|"~=")'),
        ('name=="x', '[name== >|"|< x]: quoted literal not terminated'),
        (r'name=="\q"', r'[name== >|"|< \q"]: illegal escape sequence'),
        (r'name=="\777"', r'[name== >|"|< \777"]: unquoting failed: quote syntax error'),
        (r'name=="\xz"', r'[name== >|"|< \xz"]: illegal numeric escape sequence'),
        ("labels./x/==y", "[labels. >|/|< x/==y]: invalid quote encountered"),
        ("name==|x|", "[name== >|||< x|]: invalid quote encountered"),
    ],
)
def test_errors_are_worded_and_placed_as_in_containerd(text: str, message: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        filters.parse_all([text])
    assert str(caught.value) == f"filters: parse error: {message}: invalid argument"


def test_several_filters_are_alternatives() -> None:
    assert filters.parse_all(["name==bar", "kind==active"]).matches(field)
    assert not filters.parse_all(["name==bar", "kind==view"]).matches(field)
    assert filters.parse_all([]).matches(lambda _: None)
    assert filters.parse_all([""]).matches(lambda _: None)


def _escaped(letter: str) -> str:
    """As JSON writes it, but for what Go's quotes have another name for."""
    return {"\b": "\\x08", "\f": "\\x0c"}.get(letter) or json.dumps(letter, ensure_ascii=False)[1:-1]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0\ufffd"), max_size=30))
@example("\\f\b\f\\b")
def test_any_value_can_be_asked_for_in_quotes(value: str) -> None:
    quoted = f'"{"".join(map(_escaped, value))}"'
    assert filters.parse(f"name=={quoted}").matches(lambda _: value)
    assert not filters.parse(f"name!={quoted}").matches(lambda _: value)


@given(st.text(max_size=60) | st.text('ab.,=!~"|/\\ ', max_size=30))
def test_a_filter_is_read_or_refused(text: str) -> None:
    try:
        filters.parse(text).matches(field)
    except errors.InvalidArgument as exc:
        message = exc.message
    else:
        return
    assert message.startswith("filters: parse error: [")
