import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.core import containers, content, snapshots
from boxship.core.leases import Lease
from boxship.metadata import fields
from boxship.terms import errors, filters
from boxship.testing.containers import FULL
from boxship.testing.images import image, target

IMAGE = image("x", target=target("one", {"n": "1"}), labels={"a.b": "2"})


@pytest.mark.parametrize(
    ("field", "path", "value"),
    [
        (fields.of_image(IMAGE), ["name"], "x"),
        (fields.of_image(IMAGE), ["target", "digest"], target("one").digest),
        (fields.of_image(IMAGE), ["target"], None),
        (fields.of_image(IMAGE), ["labels", "a", "b"], "2"),
        (fields.of_image(IMAGE), ["labels", "a.b"], "2"),
        (fields.of_image(IMAGE), ["labels"], None),
        (fields.of_image(IMAGE), ["annotations", "n"], "1"),
        (fields.of_image(IMAGE), ["size"], None),
        (fields.of_container(FULL), ["runtime", "name"], "io.containerd.runc.v2"),
        (fields.of_container(FULL), ["runtime"], None),
        (fields.of_container(containers.Container(id="x", runtime=FULL.runtime)), ["image"], None),
        (fields.of_lease(Lease(id="l", labels={"k": "v"})), ["labels", "k"], "v"),
        (fields.of_lease(Lease(id="l")), ["id"], "l"),
        (fields.of_ingest(content.Status(ref="")), ["ref"], ""),
        (fields.of_ingest(content.Status(ref="r")), ["offset"], None),
        (fields.of_blob(content.Info(digest="d", size=1)), ["size"], None),
        (fields.of_snapshot(snapshots.Info(name="s", kind=snapshots.Kind.VIEW)), ["kind"], "view"),
        (fields.of_snapshot(snapshots.Info(name="s", kind=snapshots.Kind.UNKNOWN)), ["kind"], None),
        (fields.of_snapshot(snapshots.Info(name="s", kind=snapshots.Kind.VIEW)), ["parent"], ""),
    ],
)
def test_values(field, path, value):
    assert field(path) == value


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ([], None),
        (["name==b", "name==a"], ["a", "b"]),
        (["name==a,labels.x"], ["a"]),
        (["name==a", "labels.x"], None),
        (["name~=a"], None),
        (["name!=a"], None),
        (["other==a"], None),
    ],
)
def test_names_that_can_match(texts, names):
    assert fields.named(filters.parse_all(texts), "name") == names


ROWS = st.lists(
    st.sampled_from(["name==a", "name==b", "name!=a", "name~=^[ab]$", "labels.k", "labels.k==1", "name"]),
    min_size=1,
    max_size=3,
).map(",".join)


@given(st.lists(ROWS, max_size=3))
def test_nothing_that_matches_is_passed_over(texts):
    wanted = filters.parse_all(texts)
    names = fields.named(wanted, "name")
    for name in "abc":
        for labels in ({}, {"k": "1"}, {"k": "2"}):
            if wanted.matches(fields.of_image(image(name, labels=labels))):
                assert names is None or name in names


def test_records_say_their_class_twice():
    with pytest.raises(errors.InvalidArgument) as caught:
        fields.wanted_records(["name=="])
    assert str(caught.value) == (
        "filters: parse error: [name==]: expected value or quoted: invalid argument: invalid argument"
    )
