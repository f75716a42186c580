"""Content behind the book."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from boxship.core import content
from boxship.testing.content import ContentSuite
from boxship.testing.metadata import open_database


class TestSharedContent(ContentSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[content.Store]:
        with open_database(tmp_path) as database:
            yield database.namespace("testing").content


class TestLeasedContent(ContentSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[content.Store]:
        with open_database(tmp_path, policy="isolated") as database:
            database.namespace("testing").leases.create("held")
            yield database.namespace("testing", "held").content
