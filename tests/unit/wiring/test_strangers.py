from boxship.wiring import parts, strangers

ENTRIES = """
[console_scripts]
io.containerd.snapshotter.v1.no = not.this:ONE

[boxship.plugins]
# a comment = no:entry
io.containerd.snapshotter.v1.mine = my.module:REGISTRATION
io.containerd.differ.v1.other=other.module:PART [extra]
"""


def test_entries_of_installed_distributions(tmp_path):
    folder = tmp_path / "mine-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "empty-1.0.dist-info").mkdir()
    found = strangers.found([str(tmp_path), "/nonexistent"])
    assert found == [
        parts.Builtin("io.containerd.snapshotter.v1", "mine", "my.module:REGISTRATION"),
        parts.Builtin("io.containerd.differ.v1", "other", "other.module:PART"),
    ]


def test_where_this_process_looks_for_modules():
    assert isinstance(strangers.found(), list)
