import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.terms import errors, references

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("docker.io/library/alpine:latest", "docker.io", "library/alpine", "latest", ""),
        (f"docker.io/library/alpine@{DIGEST}", "docker.io", "library/alpine", "", DIGEST),
        (f"docker.io/library/alpine:3@{DIGEST}", "docker.io", "library/alpine", "3", DIGEST),
        ("localhost:5000/x", "localhost:5000", "x", "", ""),
        ("[::1]:5000/x:y", "[::1]:5000", "x", "y", ""),
        ("alpine", "alpine", "", "", ""),
        ("Host/Up//per/:T", "Host", "Up/per", "T", ""),
    ],
)
def test_parse_takes_names_as_they_are(text: str, host: str, repository: str, tag: str, digest: str) -> None:
    found = references.parse(text)
    assert (found.host, found.repository, found.tag, found.digest) == (host, repository, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/x",
        "https://a/b",
        "a@b/c",
        "alpine:latest",
        "a/../b",
        "a/b?ns=c",
        "a/b#c",
        "a/b%2e",
        "a/b\n",
        ".../x",
        "a/b@",
        "a/:b",
        "a/@b",
        "a" * 5000,
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(errors.InvalidArgument):
        references.parse(text)


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("alpine:3", "docker.io/library/alpine:3", "alpine:3"),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("index.docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("HOST/app", "HOST/app:latest", "HOST/app:latest"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", "127.0.0.1:5000/a:latest"),
        (f"alpine@{DIGEST}", f"docker.io/library/alpine@{DIGEST}", f"alpine@{DIGEST}"),
        (f"alpine:3@{DIGEST}", f"docker.io/library/alpine:3@{DIGEST}", f"alpine:3@{DIGEST}"),
    ],
)
def test_normalize_completes_short_names(text: str, full: str, familiar: str) -> None:
    found = references.normalize(text)
    assert str(found) == full
    assert found.familiar == familiar
    assert references.parse(full) == found


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Alpine", "lower case"),
        ("a" * 64, "an id"),
        ("alpine:", "no tag"),
        ("alpine:-x", "no tag"),
        ("alpine@sha256:abc", "hex digits"),
        ("a..b", "no repository"),
        ("", "no repository"),
        ("x_y.com:80/a", "no host"),
        ("a/" + "b" * 300, "longer than 255"),
        ("alpine\n", "no repository"),
    ],
)
def test_normalize_says_what_is_wrong(text: str, cause: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=cause):
        references.normalize(text)


@given(st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}(-[a-z]{1,3})?){0,3}(:[A-Za-z0-9_]{1,8})?", fullmatch=True))
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = references.normalize(text)
    assert references.normalize(str(once)) == once
    assert references.normalize(once.familiar) == once


@given(st.text(max_size=80) | st.text("a./:@-_[]0", max_size=40))
def test_what_is_read_can_be_read_again(text: str) -> None:
    try:
        found = references.parse(text)
    except errors.InvalidArgument:
        return
    assert references.parse(str(found)) == found
