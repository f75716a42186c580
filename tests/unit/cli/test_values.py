import click
import pytest

from boxship.cli import values
from boxship.core import mounts
from boxship.terms import errors


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("65536", 65536), ("1k", 1024), ("512m", 512 << 20), ("512M", 512 << 20), ("1.5g", 3 << 29), ("2GiB", 2 << 30),
     ("2gb", 2 << 30), ("1t", 1 << 40), ("10b", 10)],
)  # fmt: skip
def test_sizes(text, count):
    assert values.SIZE.convert(text, None, None) == count


@pytest.mark.parametrize("text", ["", "m", "-1", "1x", "1 m", "0x10", "1e3", "٣", "1.m"])
def test_sizes_that_are_none(text):
    with pytest.raises(click.BadParameter, match="is no size"):
        values.SIZE.convert(text, None, None)


def test_environments(tmp_path):
    (tmp_path / "a").write_text("# remark\n\n  X=1 \nHOME\nGONE\nY=a=b #c\n")
    found = values.environment(["X=2", "EMPTY=", "HOME"], [str(tmp_path / "a")], {"HOME": "/me"})
    assert found == ["X=1", "HOME=/me", "Y=a=b #c", "X=2", "EMPTY=", "HOME=/me"]
    with pytest.raises(errors.InvalidArgument):
        values.environment(["=x"], [], {})


def test_environment_files_that_are_none(tmp_path):
    (tmp_path / "noise").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_text("A=" + "x" * (1 << 20))
    for name, why in (("noise", "no UTF-8"), ("long", "longer than"), ("gone", "No such file"), ("", "Is a directory")):
        with pytest.raises(click.UsageError, match=why):
            values.environment([], [str(tmp_path / name)], {})


def test_labels():
    assert values.labels(["a=b", "c", "d=e=f", "g="]) == {"a": "b", "c": "", "d": "e=f", "g": ""}
    with pytest.raises(errors.InvalidArgument):
        values.labels(["=b"])


def test_volumes(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert values.volume("/a:/b:ro") == "/a:/b:ro"
    assert values.volume("./x:/b:ro") == f"{tmp_path}/x:/b:ro"
    assert values.volume(".:/b") == f"{tmp_path}:/b"
    assert values.volume("../x:/b") == f"{tmp_path.parent}/x:/b"
    with pytest.raises(errors.InvalidArgument, match="with a name"):
        values.volume("data:/b")


def test_sources_must_be_there(tmp_path):
    def bind(source, type="bind"):
        return mounts.Mount(type=type, source=source, target="/x", options=())

    values.check_sources([bind(str(tmp_path)), bind("tmpfs", "tmpfs")])
    with pytest.raises(errors.InvalidArgument, match="has no /no/such"):
        values.check_sources([bind("/no/such")])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], []),
        (["label=a"], ['labels."a"']),
        (["label=a=b"], ['labels."a"=="b"']),
        (['label=a="'], ['labels."a"=="\\""']),
        (["name=a.b"], ['id~="a\\\\.b"']),
        (["name=a", "label=b"], ['id~="a",labels."b"']),
        (["id==a"], ["id==a"]),
        (["id==a", "image==b"], ["id==a", "image==b"]),
        (["id==a", "image==b", "label=c"], ['id==a,labels."c"', 'image==b,labels."c"']),
        (["labels.a==b"], ["labels.a==b"]),
    ],
)
def test_filters(given, found):
    assert values.filters(given, {"name": "id~"}) == found


def test_filters_that_there_are_not():
    with pytest.raises(errors.InvalidArgument, match="there is no 'a' but label=, name="):
        values.filters(["a=b"], {"name": "id~"})
    assert values.filters(["a==b", "c~=d"], {"name": "id~"}) == ["a==b", "c~=d"]
