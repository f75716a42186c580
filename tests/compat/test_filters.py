"""Our filters beside containerd's: the same answers and the same errors."""

from collections.abc import Sequence

import pytest

from boxship.terms import digests, errors, filters

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.root]

DIGEST = digests.of(b"x")
LABELS = {"plain": "Value", "a.b/c": "x y", "number": "42"}

FILTERS = [
    *(
        "",
        "labels.plain",
        "labels.none",
        "labels.plain==Value",
        "labels.plain==value",
        "labels.none!=x",
        "labels.none~=x",
    ),
    *(
        'labels."a.b/c"=="x y"',
        'labels."a.b/c"==x',
        'labels."a.b/c"~=|^x\\sy$|',
        'labels."a.b/c"~=|^x\\\\sy$|',
        "labels.number~=^4",
    ),
    *(
        "labels.number~=/^[0-9]+$/",
        "labels.plain~=(?i)VALUE",
        "labels.plain~=V.*e",
        "labels.plain~=(",
        "labels.plain~=(V)(?=a)",
    ),
    *(
        "labels.plain,labels.number",
        "labels.plain, labels.none",
        "labels.number== 42",
        "labels.number ==42",
        "labels . number",
    ),
    *(
        f"digest=={DIGEST}",
        "digest~=^sha256:",
        "size==1",
        "labels",
        "x=",
        "x",
        ".",
        "name==foo (x",
        'name=="x',
        'name=="\\q"',
        "name==|x|",
    ),
    *(
        "labels./x/==y",
        'labels.plain=="\\x56\\141l\\u0075e"',
        'labels.plain=="\\777"',
        "labels.plain==Value,",
        ",",
    ),
]


def field(path: Sequence[str]) -> str | None:
    match list(path):
        case ["digest"]:
            return DIGEST
        case ["labels", *rest]:
            return LABELS.get(".".join(rest))
    return None


def test_content_is_filtered_as_by_containerd(containerd):
    assert containerd.run("content", "ingest", "x", given="x").returncode == 0
    containerd("content", "label", DIGEST, *(f"{key}={value}" for key, value in LABELS.items()))
    for text in FILTERS:
        theirs = containerd.run("content", "ls", "-q", text)
        assert ours(text) == (theirs.stderr.strip() or DIGEST in theirs.stdout), text


def ours(text: str) -> bool | str:
    try:
        return filters.parse_all([text]).matches(field)
    except errors.InvalidArgument as exc:
        return f"ctr: {exc}"
