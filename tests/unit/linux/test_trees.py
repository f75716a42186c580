import os

from boxship.linux import trees


def test_a_path_goes_with_all_below_it(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("x")
    os.symlink(tmp_path / "kept", tmp_path / "a/link")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    trees.remove_at(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == ["kept"]
    assert (tmp_path / "kept/file").exists()


def test_what_is_gone_already_is_fine(tmp_path):
    trees.remove_at(tmp_path / "a")
    trees.remove_at(tmp_path / "a/b")


def test_a_link_goes_and_its_target_stays(tmp_path):
    (tmp_path / "kept").mkdir()
    os.symlink(tmp_path / "kept", tmp_path / "link")
    trees.remove_at(tmp_path / "link")
    assert os.listdir(tmp_path) == ["kept"]
