import pytest
from unit.rpc import echo

from boxship.rpc import exchanges, running
from boxship.rpc.grpc import heads

ROUTES = exchanges.Routes({handler.method.path: running.Route(handler) for handler in echo.Echo().handlers()})
PATH = next(handler.method.path for handler in echo.Echo().handlers())


def said(*more, path=PATH):
    return (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b"content-type", b"application/grpc"),
        *more,
    )


def test_what_is_said_again_is_read_once():
    reader = heads.Heads(ROUTES)
    first = reader.head(said((b"containerd-namespace", b"a")))
    assert reader.head(said((b"containerd-namespace", b"a"))) is first
    other = reader.head(said((b"containerd-namespace", b"b")))
    assert (first.metadata, other.metadata) == (
        {"content-type": ("application/grpc",), "containerd-namespace": ("a",)},
        {"content-type": ("application/grpc",), "containerd-namespace": ("b",)},
    )


def test_what_is_long_is_not_kept():
    reader = heads.Heads(ROUTES)
    long = said((b"x", b"v" * 5000))
    assert reader.head(long) is not reader.head(long)
    assert reader.head(long).metadata["x"] == ("v" * 5000,)


def test_no_more_is_kept_than_a_hundred():
    reader = heads.Heads(ROUTES)
    first = reader.head(said((b"x", b"0")))
    for number in range(1, 200):
        reader.head(said((b"x", b"%d" % number)))
    assert reader.head(said((b"x", b"0"))) is not first


def test_a_malformed_list_is_malformed_each_time():
    reader = heads.Heads(ROUTES)
    for _ in range(2):
        with pytest.raises(ValueError, match="out of place"):
            reader.head(said((b":path", b"/again")))


def test_an_unknown_service_is_told_from_an_unknown_method():
    reader = heads.Heads(ROUTES)
    service = PATH.split("/")[1]
    assert reader.head(said(path=f"/{service}/No")).refusal.message == f"unknown method No for service {service}"
    assert reader.head(said(path="/no.Service/No")).refusal.message == "unknown service no.Service"
