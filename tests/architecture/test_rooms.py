"""Rooms have a sign on the door and nothing behind it; ARCHITECTURE.md knows them all."""

import ast
import re

import pytest
from architecture import rooms

INITS = sorted(rooms.SOURCE.rglob("__init__.py"))


def names(paths):
    return [str(path.relative_to(rooms.SOURCE.parent)) for path in paths]


@pytest.mark.parametrize("path", INITS, ids=names(INITS))
def test_an_init_says_what_the_room_is_and_imports_nothing(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a room's __init__.py has a docstring: what, what not, who may enter"
    rest = tree.body[1:]
    if path.parent == rooms.SOURCE:
        defined = [line.name if isinstance(line, ast.FunctionDef) else ast.unparse(line.targets[0]) for line in rest]
        assert defined == ["__version__", "__all__", "_PUBLIC", "__getattr__", "__dir__"]
    else:
        assert not rest


def test_every_folder_with_modules_is_a_package():
    folders = {path.parent for path in rooms.SOURCE.rglob("*.py")}
    assert names(folder for folder in folders if not (folder / "__init__.py").exists()) == []


def test_architecture_has_a_paragraph_for_every_room_and_for_no_other():
    paper = rooms.ROOT / "ARCHITECTURE.md"
    if not paper.exists():
        pytest.skip("ARCHITECTURE.md is not written yet")
    paragraphs = set(re.findall(r"^\*\*(\w+)\*\*", paper.read_text(), re.MULTILINE))
    assert rooms.present() - paragraphs == set()
    assert paragraphs <= rooms.planned()


def test_no_room_is_named_after_nothing():
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "lib", "shared"}
    assert names(path for path in rooms.SOURCE.rglob("*") if path.stem in vague) == []
