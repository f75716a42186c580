import os
import shutil

import pytest
from integration.system import engines


@pytest.fixture(scope="module")
def engine():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with engines.engine() as made:
        yield made


@pytest.fixture(scope="module")
def image(engine):
    return engines.pull_busybox(engine)


@pytest.fixture
def ear(engine):
    made = engines.Ear(engine)
    made.settle()
    yield made
    made.close()


@pytest.fixture
def client(engine):
    with engine.connect() as made:
        yield made


@pytest.fixture
def ctr():
    if shutil.which("ctr") is None:
        pytest.skip("needs ctr")
