import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.terms import errors, patterns


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        ("", "", True),
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^/tasks/", "/tasks/start", True),
        ("c$", "abc\n", False),  # no line feed is forgiven, unlike in Python
        ("(?m)c$", "abc\nd", True),
        (r"\Aa.c\z", "abc", True),
        ("a.c", "a\nc", False),
        ("(?s)a.c", "a\nc", True),
        ("(?i)ABC", "xabcx", True),
        ("(?i:A)b", "aB", False),
        ("a(?i)b", "aB", True),
        ("[^a-c]", "abc", False),
        ("[]a]", "]", True),
        ("[[:^digit:]]", "12", False),
        (r"[\d_]", "x_", True),
        (r"\bfoo\b", "a foo b", True),
        (r"\bfoo\b", "afoob", False),
        (r"\Bo", "foo", True),
        (r"\pLu", "Éu", True),
        (r"\p{^Lu}", "É", False),
        (r"\x{1F600}", "😀", True),
        (r"\Qa.b\E+", "a.bb", True),
        ("^(?:a{2,3}|b)*$", "aabaaa", True),
        ("^a{2,3}$", "aaaa", False),
        ("a{,2}", "a{,2}", True),
        ("^(a|b)*?c+$", "abacc", True),
        ("(?P<name>x)(?<other>y)", "xy", True),
        ("^*", "", True),
    ],
)
def test_finds(expression: str, text: str, expected: bool) -> None:
    assert patterns.Pattern(expression).found_in(text) is expected


@pytest.mark.parametrize(
    "expression",
    [
        *(r"(a)\1", "(?=a)", "(?<!a)", "(?>a)", "a**", "a*+", "*", "(", ")", "[a", "[b-a]", "a{1001}", "a{2,1}", "a\\"),
        *(
            r"\Z",
            r"\8",
            r"\p{Greek}",
            r"\x{110000}",
            "(?x)",
            "(?P=n)",
            "[[:nope:]]",
            "((a{100}){100}){2}",
            "(" * 200 + ")" * 200,
        ),
        "a" * 20000,
        "\ud800",
    ],
)
def test_refuses_what_re2_refuses(expression: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="error parsing regexp"):
        patterns.Pattern(expression)


@pytest.mark.parametrize("expression", ["(a*)*b", "(a|a|aa)*$x", "(x+x+)+y", "(.*)(.*)(.*)(.*)(.*)z", "(a?){500}b"])
def test_takes_linear_time_where_backtracking_takes_for_ever(expression: str) -> None:
    text = "a" * 4000 + "x" * 1000
    begin = time.process_time()
    assert not patterns.Pattern(expression).found_in(text)
    assert time.process_time() - begin < 5


@given(
    st.from_regex(r"(?:[abc.]|\[[abc]\]|\([ab]\|[bc]\)|[abc][*+?]){1,8}", fullmatch=True),
    st.text("abc", max_size=12),
)
def test_agrees_with_python_where_the_syntax_is_common(expression: str, text: str) -> None:
    assert patterns.Pattern(expression).found_in(text) is (re.search(expression, text) is not None)
