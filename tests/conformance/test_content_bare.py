import pytest

from boxship.plugins.content import store as local
from boxship.testing import content


class TestLocalStore(content.ContentSuite):
    keeps_labels = False

    @pytest.fixture
    def store(self, tmp_path):
        return local.LocalStore(tmp_path / "content")
