import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.remotes import auth, challenges, credentials, hosts
from boxship.terms import errors

ENDPOINT = hosts.Endpoint(scheme="https", address="example.com")
BEARER = 'Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a:pull"'
ACCOUNT = credentials.Credential(username="u", secret="p")


class TokenServer:
    """Answers in turn, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, endpoint, method, url, *, headers, body):
        self.asked.append((method, url, dict(headers), dict(urllib.parse.parse_qsl(body.decode())) if body else None))
        status, fields = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return auth.Answer(status=status, body=fields if isinstance(fields, bytes) else json.dumps(fields).encode())


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def authorizer(server, account=None, clock=None):
    accounts = {"example.com": account} if account else {}
    return auth.Authorizer(ENDPOINT, credentials.Fixed(accounts), server, clock=clock or Clock())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Bearer realm="https://a/t",service="s"', [("bearer", {"realm": "https://a/t", "service": "s"})]),
        (
            'Basic realm="x", Bearer realm="y" , service=z',
            [("basic", {"realm": "x"}), ("bearer", {"realm": "y", "service": "z"})],
        ),
        (r'Bearer realm="a\"b,c"', [("bearer", {"realm": 'a"b,c'})]),
        ('BEARER Realm = "x"', [("bearer", {"realm": "x"})]),
        ('Bearer realm="x",realm="y"', [("bearer", {"realm": "x"})]),
        ('Bearer realm="open', [("bearer", {})]),
        ("Negotiate", [("negotiate", {})]),
        ('realm="x"', []),
        ("", []),
    ],
)
def test_challenges_are_read(text, expected):
    assert [(each.scheme, dict(each.parameters)) for each in challenges.parse([text])] == expected


@given(st.lists(st.text('Bearer ="\\,x\x00é', max_size=40), max_size=3))
def test_any_header_is_read(texts):
    for each in challenges.parse(texts):
        assert each.scheme


def test_nothing_is_sent_before_it_is_asked_for():
    assert authorizer(TokenServer((200, {})), ACCOUNT).header(["repository:a:pull"]) is None


def test_nobody_asks_by_get_without_account():
    server = TokenServer((200, {"token": "T"}))
    it = authorizer(server)
    it.challenged([BEARER], None, [])
    assert it.header(["repository:a:pull", "repository:b:pull"]) == "Bearer T"
    [(method, url, headers, body)] = server.asked
    assert method == "GET"
    assert urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query) == [
        ("service", "registry"), ("scope", "repository:a:pull"), ("scope", "repository:b:pull"),
    ]  # fmt: skip
    assert "Authorization" not in headers
    assert body is None


def test_an_account_asks_by_post():
    server = TokenServer((200, {"access_token": "T"}))
    it = authorizer(server, ACCOUNT)
    it.challenged([BEARER], None, [])
    assert it.header(["repository:a:pull"]) == "Bearer T"
    [(method, url, headers, form)] = server.asked
    assert (method, url) == ("POST", "https://auth.example.com/token")
    assert form == {"service": "registry", "client_id": "boxship", "scope": "repository:a:pull",
                    "grant_type": "password", "username": "u", "password": "p"}  # fmt: skip
    assert "Authorization" not in headers


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_get_follows_where_post_is_unknown(status):
    server = TokenServer((status, {}), (200, {"token": "T"}))
    it = authorizer(server, ACCOUNT)
    it.challenged([BEARER], None, [])
    assert it.header([]) == "Bearer T"
    method, url, headers, _ = server.asked[1]
    assert method == "GET"
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert "account=u" in url
    assert "p" not in dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query)).values()


def test_an_identity_token_is_a_refresh_token():
    server = TokenServer((200, {"token": "T"}))
    it = authorizer(server, credentials.Credential(identity_token="R"))
    it.challenged([BEARER], None, [])
    it.header([])
    assert server.asked[0][3]["grant_type"] == "refresh_token"
    assert server.asked[0][3]["refresh_token"] == "R"


def test_a_secret_of_nobody_is_a_refresh_token():
    server = TokenServer((200, {"token": "T"}))
    it = authorizer(server, credentials.Credential(secret="R"))
    it.challenged([BEARER], None, [])
    it.header([])
    assert server.asked[0][3]["grant_type"] == "refresh_token"
    assert server.asked[0][3]["refresh_token"] == "R"


@pytest.mark.parametrize(
    ("told", "own", "asked"),
    [
        ("repository:team/a:pull", "repository:a:pull", "repository:a:pull repository:team/a:pull"),
        ("repository:a:pull", "repository:a:pull", "repository:a:pull"),
        ("repository:a:pull", "repository:a:pull,push", "repository:a:pull,push"),
        ("repository:a:pull,delete", "repository:a:pull", "repository:a:pull repository:a:pull,delete"),
        ("", "repository:a:pull", "repository:a:pull"),
        ("x " * 1000, "repository:a:pull", "repository:a:pull" + " x" * 8),
    ],
)
def test_what_the_challenge_wants_is_asked_for_too(told, own, asked):
    """A mirror below a path has its repositories under longer names."""
    server = TokenServer((200, {"token": "T"}))
    it = authorizer(server, ACCOUNT)
    it.challenged([f'Bearer realm="https://auth.example.com/token",scope="{told}"'], None, [own])
    assert it.header([own]) == "Bearer T"
    assert server.asked[0][3]["scope"] == asked
    it.header(["repository:b:pull"])
    assert server.asked[1][3]["scope"] == "repository:b:pull"


def test_more_that_is_wanted_later_is_asked_for():
    server = TokenServer((200, {"token": "T"}), (200, {"token": "U"}))
    it = authorizer(server)
    it.challenged([BEARER], None, ["repository:a:pull"])
    refused = it.header(["repository:a:pull"])
    more = 'Bearer realm="https://auth.example.com/token",scope="repository:z:pull",error="insufficient_scope"'
    it.challenged([more], refused, ["repository:a:pull"])
    assert it.header(["repository:a:pull"]) == "Bearer U"
    assert "repository%3Az%3Apull" in server.asked[1][1]


def test_a_refresh_token_that_came_is_used_next():
    server = TokenServer((200, {"token": "T", "refresh_token": "NEW"}))
    it = authorizer(server, ACCOUNT)
    it.challenged([BEARER], None, [])
    it.header(["repository:a:pull"])
    it.header(["repository:b:pull"])
    assert server.asked[1][3]["refresh_token"] == "NEW"


def test_a_registry_token_is_sent_as_it_is():
    server = TokenServer((500, {}))
    it = authorizer(server, credentials.Credential(registry_token="RT"))
    it.challenged([BEARER], None, [])
    assert it.header([]) == "Bearer RT"
    assert not server.asked


def test_basic():
    it = authorizer(TokenServer((500, {})), ACCOUNT)
    it.challenged(['Basic realm="x"'], None, [])
    header = it.header([])
    assert header == "Basic " + base64.b64encode(b"u:p").decode()
    with pytest.raises(errors.Unauthenticated, match="does not accept the account"):
        it.challenged(['Basic realm="x"'], header, [])


def test_basic_without_account():
    it = authorizer(TokenServer((500, {})))
    it.challenged(['Basic realm="x"'], None, [])
    with pytest.raises(errors.Unauthenticated, match=r"docker login example\.com"):
        it.header([])


def test_bearer_is_preferred_to_basic():
    it = authorizer(TokenServer((200, {"token": "T"})), ACCOUNT)
    it.challenged(['Basic realm="x"', BEARER], None, [])
    assert it.header([]) == "Bearer T"


@pytest.mark.parametrize(
    ("life", "kept"), [(300, 290), (0, 50), (-1, 50), ("x", 50), (None, 50), (10**12, 80000), (True, 50), (30, 50)]
)
def test_tokens_are_kept_for_their_life(life, kept):
    server, clock = TokenServer((200, {"token": "T", "expires_in": life})), Clock()
    it = authorizer(server, clock=clock)
    it.challenged([BEARER], None, [])
    it.header(["s"])
    clock.now += kept
    it.header(["s"])
    assert len(server.asked) == 1
    clock.now += 10000
    it.header(["s"])
    assert len(server.asked) == 2


def test_a_refused_token_is_thrown_away():
    server = TokenServer((200, {"token": "OLD"}), (200, {"token": "NEW"}))
    it = authorizer(server)
    it.challenged([BEARER], None, ["s"])
    header = it.header(["s"])
    it.challenged([BEARER], header, ["s"])
    assert it.header(["s"]) == "Bearer NEW"


@pytest.mark.parametrize(
    ("answer", "error", "cause"),
    [
        ((401, b"SECRET"), errors.Unauthenticated, "401"),
        ((403, b"SECRET"), errors.Unauthenticated, "403"),
        ((500, b"SECRET"), errors.Unavailable, "500"),
        ((200, b"<html>SECRET"), errors.Unauthenticated, "without a token"),
        ((200, {"token": ""}), errors.Unauthenticated, "without a token"),
        ((200, {"token": 1}), errors.Unauthenticated, "without a token"),
        ((200, {"token": "SECRET\r\nX: y"}), errors.Unauthenticated, "without a token"),
        ((200, b'{"token":"SECRET","token":"b"}'), errors.Unauthenticated, "without a token"),
    ],
)
def test_what_a_token_server_says_is_told_without_its_words(answer, error, cause):
    it = authorizer(TokenServer(answer))
    it.challenged([BEARER], None, [])
    with pytest.raises(error, match=cause) as caught:
        it.header([])
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("texts", [[], ["Negotiate"], ["Digest realm=x"]])
def test_an_unknown_challenge_is_told(texts):
    with pytest.raises(errors.Unauthenticated, match="no Basic or Bearer"):
        authorizer(TokenServer((200, {}))).challenged(texts, None, [])


def test_no_secret_in_reprs():
    it = authorizer(TokenServer((200, {"token": "SECRET"})))
    it.challenged([BEARER], None, [])
    it.header([])
    assert "SECRET" not in repr(it) + repr(it._kept)
