"""The plain nouns in the book."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from boxship.metadata import database
from boxship.testing.containers import ContainersSuite
from boxship.testing.images import ImagesSuite, image
from boxship.testing.leases import LeasesSuite
from boxship.testing.metadata import open_database
from boxship.testing.namespaces import NamespacesSuite


@pytest.fixture
def book(tmp_path: Path) -> Iterator[database.Database]:
    with open_database(tmp_path) as opened:
        yield opened


class TestNamespaces(NamespacesSuite):
    @pytest.fixture
    def store(self, book):
        return book.namespaces

    @pytest.fixture
    def occupied(self, book):
        book.namespace("lived-in").images.create(image())
        return "lived-in"


class TestImages(ImagesSuite):
    @pytest.fixture
    def store(self, book):
        return book.namespace("testing").images


class TestContainers(ContainersSuite):
    @pytest.fixture
    def store(self, book):
        return book.namespace("testing").containers


class TestLeases(LeasesSuite):
    @pytest.fixture
    def manager(self, book):
        return book.namespace("testing").leases
