import subprocess
from collections.abc import Iterator

import pytest

from boxship.core import content
from boxship.metadata import database
from boxship.plugins.content import store as stores
from boxship.testing import registry as registries


@pytest.fixture
def server() -> Iterator[registries.Registry]:
    with registries.Registry() as registry:
        yield registry


@pytest.fixture
def store(tmp_path) -> Iterator[content.Store]:
    """A real store with labels."""

    class Silent:
        def publish(self, *args, **kwargs):
            return None

    backend = stores.LocalStore(tmp_path / "content")
    book = database.Database(tmp_path / "meta.db", content=backend, snapshotters={}, publisher=Silent())
    yield book.namespace("default").content
    book.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that nobody trusts, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=boxship test", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([*command, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    return cert, key
