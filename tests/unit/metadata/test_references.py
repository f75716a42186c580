import pytest

from boxship.core.gc import Kind, Node
from boxship.metadata import references

N = "ns"
D = "sha256:" + "0" * 64


def test_forward_references():
    labels = {
        "containerd.io/gc.ref.content": "a",
        "containerd.io/gc.ref.content.0": "b",
        "containerd.io/gc.ref.content/l.1": "c",
        "containerd.io/gc.ref.contents": "no",
        "containerd.io/gc.ref.image": "i",
        "containerd.io/gc.ref.image.x": "j",
        "containerd.io/gc.ref.images": "no",
        "containerd.io/gc.ref.snapshot.overlayfs": "k/with/slashes",
        "containerd.io/gc.ref.snapshot.native/x": "l",
        "containerd.io/gc.bref.content": "no",
        "other": "no",
    }
    assert set(references.forward(N, labels)) == {
        Node(Kind.CONTENT, N, "a"),
        Node(Kind.CONTENT, N, "b"),
        Node(Kind.CONTENT, N, "c"),
        Node(Kind.IMAGE, N, "i"),
        Node(Kind.IMAGE, N, "j"),
        Node(Kind.SNAPSHOT, N, "overlayfs/k/with/slashes"),
        Node(Kind.SNAPSHOT, N, "native/l"),
    }


def test_backward_references():
    labels = {
        "containerd.io/gc.bref.container": "c",
        "containerd.io/gc.bref.container.x": "d",
        "containerd.io/gc.bref.containers": "no",
        "containerd.io/gc.bref.content/x": D,
        "containerd.io/gc.bref.image": "i",
        "containerd.io/gc.bref.snapshot.native": "k",
        "containerd.io/gc.ref.content": "no",
    }
    assert set(references.backward(N, labels)) == {
        Node(Kind.CONTAINER, N, "c"),
        Node(Kind.CONTAINER, N, "d"),
        Node(Kind.CONTENT, N, D),
        Node(Kind.IMAGE, N, "i"),
        Node(Kind.SNAPSHOT, N, "native/k"),
    }


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("containerd.io/gc.cond.snapshot.native", "usedat<1h|k", [("native/k", "<", 3600 * 10**9)]),
        ("containerd.io/gc.cond.snapshot.native/x", "usedat>1m30s|a|b", [("native/a|b", ">", 90 * 10**9)]),
        (
            "containerd.io/gc.cond.snapshot.native",
            "usedat<1s,usedat>1h,size<3|k",
            [("native/k", "<", 10**9), ("native/k", ">", 3600 * 10**9)],
        ),
        ("containerd.io/gc.cond.snapshot.native", "usedat<1h", []),
        ("containerd.io/gc.cond.snapshot.native", "usedat=1h|k", []),
        ("containerd.io/gc.cond.snapshot.native", "usedat<=1h|k", []),
        ("containerd.io/gc.cond.snapshot.native", "usedat<soon|k", []),
    ],
)
def test_conditions(key, value, found):
    assert [(node.key, operator, limit) for node, operator, limit in references.conditions(N, {key: value})] == found


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1h30m", 5400 * 10**9),
        ("1.5s", 1_500_000_000),
        ("-2ms", -2_000_000),
        ("1us1ns", 1001),
        ("0", 0),
        ("", None),
        ("1", None),
        ("1h x", None),
        ("h", None),
        ("1d", None),
    ],
)
def test_durations(text, nanoseconds):
    assert references.duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:01.5+01:00", 1_500_000_000),
        ("2038-01-19T03:14:08Z", 2**31 * 10**9),
        ("1970-01-01T00:00:00.123456789Z", 123_456_000),
        ("1970-01-01", None),
        ("1970-01-01T00:00:01", None),
        ("soon", None),
        ("", None),
    ],
)
def test_moments(text, moment):
    assert references.moment(text) == moment


def test_expiry():
    labels = {"containerd.io/gc.expire": "1970-01-01T00:00:01Z"}
    assert not references.is_expired(labels, 10**9)
    assert references.is_expired(labels, 10**9 + 1)
    assert not references.is_expired({"containerd.io/gc.expire": "never"}, 10**18)
    assert not references.is_expired({}, 10**18)


def test_roots():
    assert references.is_root({"containerd.io/gc.root": "now"})
    assert not references.is_root({"containerd.io/gc.ref.content": D})


def test_durations_beyond_all_numbers_are_none():
    assert references.duration("9" * 400 + "h") is None
    assert references.duration("1e5h") is None
    assert references.duration("2562048h") is None  # Go: more than 63 bits of nanoseconds
