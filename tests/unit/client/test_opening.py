import subprocess
import sys

import pytest

import boxship
from boxship.terms import errors


def test_nobody_there():
    with pytest.raises(errors.Unavailable, match=r"no daemon answers at /nowhere/at\.sock .*boxship daemon"):
        boxship.connect("/nowhere/at.sock")
    with pytest.raises(errors.InvalidArgument):
        boxship.connect("http://elsewhere")


def test_the_package_offers_four_doors():
    for name in ("connect", "connect_async", "embed", "embed_async"):
        assert callable(getattr(boxship, name))
    with pytest.raises(AttributeError, match="nonsense"):
        boxship.nonsense  # noqa: B018


def test_importing_the_package_imports_nothing():
    program = "import sys; before = set(sys.modules); import boxship; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "['boxship']"
