import pytest

from boxship.client import logfiles


@pytest.fixture
def log(tmp_path):
    def write(data):
        path = tmp_path / "output"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("data", "lines", "found"),
    [
        (b"a\nb\nc\n", None, b"a\nb\nc\n"),
        (b"a\nb\nc\n", 0, b""),
        (b"a\nb\nc\n", 1, b"c\n"),
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc\n", 3, b"a\nb\nc\n"),
        (b"a\nb\nc\n", 9, b"a\nb\nc\n"),
        (b"a\nb\nc", 1, b"c"),
        (b"a\nb\nc", 2, b"b\nc"),
        (b"\n\n\n", 2, b"\n\n"),
        (b"", 3, b""),
        (b"one", 1, b"one"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 16])
def test_the_last_lines(log, monkeypatch, data, lines, found, chunk):
    monkeypatch.setattr(logfiles, "CHUNK", chunk)
    with logfiles.opened(log(data)) as file:
        logfiles.to_tail(file, lines)
        assert file.read() == found


def test_a_log_that_is_not_there_is_empty(tmp_path):
    with logfiles.opened(str(tmp_path / "none")) as file:
        logfiles.to_tail(file, 5)
        assert file.read() == b""


def test_only_our_own_logs_are_removed(tmp_path):
    mine = logfiles.path_for(str(tmp_path), "space", "box")
    logfiles.make_folder(mine)
    for path in (mine, str(tmp_path / "precious")):
        with open(path, "w") as file:
            file.write("x")
        logfiles.remove(path, "space", "box")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["precious"]
    logfiles.remove(mine, "space", "box")


def test_where_they_lie():
    assert logfiles.path_for("/var/lib/x", "a", "b") == "/var/lib/x/boxship.logs/a/b/output"
    assert logfiles.path_for("", "a", "b").startswith("/run/boxship/")
    assert logfiles.uri("/a b/c%") == "file:///a%20b/c%25"
