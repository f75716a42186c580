"""The client with an engine in the same program."""

import pytest
from integration.client import scenes

import boxship

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with boxship.embed(tmp_path_factory.mktemp("root"), namespace="scenes") as made:
        yield made


class TestEmbedded(scenes.Scenes):
    """All of it."""
