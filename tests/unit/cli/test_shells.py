import io

import pytest

from boxship.cli import main, world


@pytest.fixture
def offered():
    """The words that a shell is offered, without a daemon."""

    def ask(shell, *arguments):
        out = io.TextIOWrapper(io.BytesIO())
        around = world.World(
            stdin=io.StringIO(),
            stdout=out,
            stderr=io.StringIO(),
            environment={"_BOXSHIP_COMPLETE": shell, "BOXSHIP_ADDRESS": "/no/such"},
        )
        assert main.run(arguments, around) == 0
        out.flush()
        return [line.split("\t")[1] for line in out.buffer.getvalue().decode().splitlines()]

    return ask


@pytest.mark.parametrize(
    ("line", "replaced", "offers"),
    [
        ("boxship imag", "imag", ["images"]),
        ("boxship 'imag", "imag", ["images"]),
        ("boxship im\\ag", "im\\ag", ["images"]),
        ("boxship -n 'a b' imag", "imag", ["images"]),
        ("boxship -n a\\ ", "", []),
        ("boxship -n 'a ", "a ", []),
        ("boxship run --network=ho", "ho", ["host"]),
        ("boxship run --network=ho", "--network=ho", ["--network=host"]),
        ("boxship run --network=", "", ["none", "host"]),
        ("boxship run --network h", "h", ["host"]),
        ("boxship run # x", "x", []),
        ("boxship rmi 'x", "x", []),
    ],
)
def test_a_line_of_bash(offered, line, replaced, offers):
    assert offered("bash", line, replaced) == offers


def test_what_bash_replaces_is_what_it_is_offered(offered):
    assert offered("bash", "boxship kill -s SIGPO", "SIGPO") == offered("bash", "boxship kill --signal=SIGPO", "SIGPO")


def test_words_of_the_others(offered):
    assert offered("zsh", "run", "--network=ho") == ["--network=host"]
    assert offered("fish", "run", "--", "'--network=ho") == ["--network=host"]
    assert offered("fish", "run", "--network", "--", "") == ["none", "host"]
    assert offered("zsh") == offered("fish") == offered("bash")
    assert {"run", "ps", "content"} <= {*offered("zsh")}


def test_nonsense_is_passed_over(offered):
    assert offered("zsh", "frobnicate", "") == []
    assert offered("tcsh", "imag") == ["images"]
